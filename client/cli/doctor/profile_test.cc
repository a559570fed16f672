#include "client/cli/doctor/profile.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace sluice::cli::doctor {
namespace {

TEST(Profile, MachinesOfTheirSizesGetWhatTheyPromise) {
  for (const Profile& profile : profiles()) {
    EXPECT_EQ(broker_share(profile.machine), profile.broker) << profile.name;
    EXPECT_EQ(system_share(profile.machine), profile.system) << profile.name;
    EXPECT_GT(profile.machine - profile.broker - profile.system, profile.machine / 2);
  }
}

TEST(Profile, BetweenTwoTheSharesGrowEvenly) {
  EXPECT_EQ(broker_share(40_GiB), 5_GiB);
  EXPECT_EQ(system_share(40_GiB), 3_GiB);
  EXPECT_EQ(broker_share(2_GiB), 512_MiB);
  EXPECT_EQ(system_share(2_GiB), 256_MiB);
  EXPECT_EQ(broker_share(0), 0u);
}

TEST(Profile, AMachineAboveTheLargestGivesTheRestToThePageCache) {
  EXPECT_EQ(broker_share(1024_GiB), 8_GiB);
  EXPECT_EQ(system_share(1024_GiB), 6_GiB);
}

}  // namespace
}  // namespace sluice::cli::doctor
