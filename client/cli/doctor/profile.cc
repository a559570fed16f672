#include "client/cli/doctor/profile.h"

#include "base/bytes.h"

namespace sluice::cli::doctor {
namespace {

constexpr Profile kProfiles[] = {
    {"development", 4_GiB, 1_GiB, 512_MiB, 100, 100, 500},
    {"production-small", 16_GiB, 4_GiB, 2_GiB, 2'000, 1'000, 10'000},
    {"production-medium", 64_GiB, 6_GiB, 4_GiB, 10'000, 5'000, 50'000},
    {"production-large", 128_GiB, 8_GiB, 6_GiB, 30'000, 10'000, 150'000},
};

uint64_t between(uint64_t machine, uint64_t Profile::* share) {
  Profile below{};
  for (const Profile& profile : kProfiles) {
    if (machine <= profile.machine) {
      const double part = static_cast<double>(machine - below.machine) /
                          static_cast<double>(profile.machine - below.machine);
      return below.*share +
             static_cast<uint64_t>(static_cast<double>(profile.*share - below.*share) * part);
    }
    below = profile;
  }
  return below.*share;
}

}  // namespace

std::span<const Profile> profiles() { return kProfiles; }

uint64_t system_share(uint64_t machine) { return between(machine, &Profile::system); }
uint64_t broker_share(uint64_t machine) { return between(machine, &Profile::broker); }

}  // namespace sluice::cli::doctor
