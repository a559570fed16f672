#include "client/cli/doctor/plan.h"

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "base/size_text.h"
#include "client/cli/doctor/broker_settings.h"
#include "client/cli/doctor/finding.h"
#include "client/cli/doctor/fit_checks.h"
#include "client/cli/doctor/profile.h"

namespace sluice::cli::doctor {
namespace {

/// As built in: a log is deleted by whole segments, which grow to this size.
constexpr uint64_t kSegment = 1_GiB;
constexpr double kMostOfADisk = 0.8;
/// Both ways between two brokers.
constexpr uint64_t kConnectionsOfAPeer = 2;
constexpr uint64_t kMostBrokers = 1'000;

uint64_t parts(uint64_t whole, uint64_t part) { return (whole + part - 1) / part; }
double of(uint64_t number) { return static_cast<double>(number); }
uint64_t whole(double number) { return static_cast<uint64_t>(std::min(std::ceil(number), 9e18)); }
std::string rate_text(double rate) { return format_rough_size(whole(rate)) + "/s"; }

/// What falls to one of `brokers`.
struct Share {
  uint64_t brokers = 1;
  uint64_t replicas = 0;
  uint64_t connections = 0;
  /// Bytes a second, as a leader and as a follower.
  double written = 0;
};

Share share_of(const Load& load, uint64_t brokers) {
  return {.brokers = brokers,
          .replicas = parts(load.partitions * load.replication, brokers),
          .connections = load.producers + load.consumers + kConnectionsOfAPeer * (brokers - 1),
          .written = of(load.rate) * of(load.replication) / of(brokers)};
}

const Profile* profile_for(const Load& load, const Share& share) {
  for (const Profile& profile : profiles()) {
    // Who keeps one copy may be trying things out; nobody else is.
    if (profile.name == "development" && load.replication > 1) continue;
    if (share.replicas <= profile.partitions && share.connections <= profile.connections) {
      return &profile;
    }
  }
  return nullptr;
}

/// Of a machine, with what the system needs on one of that size.
struct Memory {
  uint64_t page_cache = 0;
  uint64_t system = 0;
  uint64_t machine = 0;
};

Memory memory_of(const Load& load, const Share& share, const Profile& profile) {
  const double kept =
      std::min(of(kGoalSeconds), std::chrono::duration<double>(load.retention).count());
  Memory memory{.page_cache = whole(share.written * kept)};
  // A larger machine needs more for the system, by an eighth of the difference at most: soon
  // settled.
  for (int i = 0; i < 20; ++i) {
    memory.machine = profile.broker + memory.page_cache + memory.system;
    memory.system = system_share(memory.machine);
  }
  memory.machine = profile.broker + memory.page_cache + memory.system;
  return memory;
}

/// The least number of brokers with which `fits(share, profile)`; 0 when there is none.
template <class Fits>
uint64_t brokers_for(const Load& load, uint64_t from, Fits fits) {
  for (uint64_t brokers = from; brokers <= kMostBrokers; ++brokers) {
    const Share share = share_of(load, brokers);
    const Profile* profile = profile_for(load, share);
    if (profile != nullptr && fits(share, *profile)) return brokers;
  }
  return 0;
}

Result<> check_load(const Load& load, uint64_t brokers) {
  const auto refuse = [](std::string why) { return fail(Errc::invalid_argument, std::move(why)); };
  if (load.rate == 0) return refuse("--rate 0 needs no broker; say what is produced, as 50MB/s");
  if (load.retention <= Duration{}) {
    return refuse("--retention " + format_duration(load.retention) +
                  " keeps nothing; say how long records are kept, as 7d");
  }
  if (load.partitions == 0 || load.partitions > 10'000'000) {
    return refuse("--partitions " + std::to_string(load.partitions) +
                  " is not from 1 to 10,000,000");
  }
  if (load.replication == 0 || load.replication > 32) {
    return refuse("--replication " + std::to_string(load.replication) + " is not from 1 to 32");
  }
  if (brokers < load.replication || brokers > kMostBrokers) {
    return refuse("--brokers " + std::to_string(brokers) + " is not from " +
                  std::to_string(load.replication) + ", one for each replica, to " +
                  format_count(kMostBrokers));
  }
  if (std::max(load.producers, load.consumers) > 1'000'000) {
    return refuse("more than 1,000,000 producers or consumers are none of one cluster");
  }
  return {};
}

std::unexpected<Error> refuse_too_much(const Load& load, const Share& share) {
  const Profile& largest = profiles().back();
  const uint64_t enough = brokers_for(load, share.brokers, [](auto&&...) { return true; });
  return fail(
      Errc::invalid_argument,
      format_count(share.replicas) + " replicas and " + format_count(share.connections) +
          " connections on each of " + std::to_string(share.brokers) + " brokers are more than " +
          std::string(largest.name) + " takes (" + format_count(largest.partitions) + " and " +
          format_count(largest.connections) + "); " +
          (enough != 0 ? "take --brokers " + std::to_string(enough)
                       : "let several clients share a connection, or take several clusters"));
}

PlanRow disk_row(const Load& load, const Share& share) {
  const double seconds = std::chrono::duration<double>(load.retention).count();
  const double kept = share.written * seconds;
  // The oldest segment goes when its last record is old enough.
  const double segments = std::min(of(share.replicas) * of(kSegment), kept);
  const uint64_t disk = whole((kept + segments) / kMostOfADisk);
  return {"disk_bytes", "disk", disk, size_text(disk),
          rate_text(share.written) + " for " + format_age(load.retention) +
              ", a segment of up to " + size_text(kSegment) + " more for each of " +
              format_count(share.replicas) + " replicas, and a fifth free"};
}

void add_memory_rows(const Load& load, const Share& share, const Profile& profile, Plan& plan) {
  const Memory memory = memory_of(load, share, profile);
  plan.rows.push_back({"page_cache_bytes", "page cache", memory.page_cache,
                       size_text(memory.page_cache),
                       rate_text(share.written) + " for " + format_count(kGoalSeconds) +
                           " s, or for as long as records are kept: consumers that are less late "
                           "read no disk"});
  plan.rows.push_back({"memory_max_bytes", std::string(kMemoryKey), profile.broker,
                       size_text(profile.broker), "the ceiling of " + std::string(profile.name)});
  plan.rows.push_back({"system_bytes", "system", memory.system, size_text(memory.system),
                       "left to the system on a machine of that size"});
  std::string because = "the three together";
  const uint64_t largest = profiles().back().machine;
  if (memory.machine > largest) {
    const uint64_t enough =
        brokers_for(load, share.brokers, [&](const Share& of_more, const Profile& its) {
          return memory_of(load, of_more, its).machine <= largest;
        });
    because += enough == 0 ? "; less page cache means that late consumers read disks"
                           : "; with --brokers " + std::to_string(enough) + " no more than " +
                                 size_text(largest);
  }
  plan.rows.push_back(
      {"machine_bytes", "machine", memory.machine, size_text(memory.machine), because});
}

void add_limit_rows(const Load& load, const Share& share, const Profile& profile, Plan& plan) {
  plan.rows.push_back(
      {"connections", "connections", share.connections, format_count(share.connections),
       "every producer and consumer, and " + std::to_string(kConnectionsOfAPeer) +
           " for each other broker; connections.limit is " + format_count(profile.connections)});
  const uint64_t descriptors = descriptors_needed(profile.connections, profile.open_files);
  plan.rows.push_back({"descriptors", "descriptors", descriptors, format_count(descriptors),
                       "LimitNOFILE: twice files.open.max " + format_count(profile.open_files) +
                           ", or that and connections.limit"});
  const uint64_t maps = maps_needed(std::max(load.partitions, profile.partitions),
                                    profile.open_files, profile.broker);
  plan.rows.push_back({"maps", "maps", maps, format_count(maps),
                       "vm.max_map_count: two for each partition, one for each MiB of the cap"});
}

}  // namespace

Result<Plan> make_plan(const Load& load) {
  const uint64_t brokers = load.brokers == 0 ? load.replication : load.brokers;
  RETURN_IF_ERROR(check_load(load, brokers));
  const Share share = share_of(load, brokers);
  const Profile* profile = profile_for(load, share);
  if (profile == nullptr) return refuse_too_much(load, share);
  Plan plan{.profile = std::string(profile->name)};
  plan.profile_because = "the smallest for " + format_count(share.replicas) + " replicas (of " +
                         format_count(profile->partitions) + ") and " +
                         format_count(share.connections) + " connections (of " +
                         format_count(profile->connections) + ")";
  plan.rows.push_back({"brokers", "brokers", brokers, format_count(brokers),
                       load.brokers == 0 ? "one for each replica" : "as told"});
  plan.rows.push_back({"written_bytes_per_second", "written", whole(share.written),
                       rate_text(share.written),
                       rate_text(of(load.rate)) + " produced, " + std::to_string(load.replication) +
                           (load.replication == 1 ? " replica" : " replicas") + ", over " +
                           std::to_string(brokers) + (brokers == 1 ? " broker" : " brokers")});
  plan.rows.push_back(disk_row(load, share));
  add_memory_rows(load, share, *profile, plan);
  add_limit_rows(load, share, *profile, plan);
  // The key counts those of all brokers together.
  if (load.partitions > profile->partitions) {
    plan.keys.push_back("max.partitions = " + std::to_string(load.partitions));
  }
  return plan;
}

}  // namespace sluice::cli::doctor
