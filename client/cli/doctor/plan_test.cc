#include "client/cli/doctor/plan.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"

namespace sluice::cli::doctor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Load some_load() {
  return {.rate = 10'000'000,
          .retention = std::chrono::hours(24),
          .partitions = 600,
          .replication = 3,
          .producers = 10,
          .consumers = 200};
}

const PlanRow& row(const Plan& plan, std::string_view key) {
  const auto found = std::ranges::find(plan.rows, key, &PlanRow::key);
  EXPECT_NE(found, plan.rows.end()) << key;
  return *found;
}

std::string refusal_of(const Load& load) {
  const auto plan = make_plan(load);
  return plan ? "" : std::string(plan.error().message());
}

TEST(Plan, WithABrokerForEachReplicaAllIsWrittenToEach) {
  const auto plan = make_plan(some_load());
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(plan->profile, "production-small");
  EXPECT_EQ(row(*plan, "brokers").number, 3u);
  EXPECT_EQ(row(*plan, "written_bytes_per_second").number, 10'000'000u);
  EXPECT_EQ(row(*plan, "page_cache_bytes").number, 36'000'000'000u);
  EXPECT_EQ(row(*plan, "memory_max_bytes").number, 4_GiB);
  EXPECT_EQ(row(*plan, "connections").number, 214u);
  EXPECT_EQ(row(*plan, "descriptors").number, 20'000u);
  for (const PlanRow& one : plan->rows) EXPECT_NE(one.because, "") << one.key;
  EXPECT_THAT(plan->keys, IsEmpty());
}

TEST(Plan, TheDiskHoldsWhatIsKeptASegmentOfEachReplicaAndAFifth) {
  const auto plan = make_plan(some_load());
  const uint64_t kept = 10'000'000ull * 86'400;
  EXPECT_EQ(row(*plan, "disk_bytes").number, (kept + 600 * 1_GiB) * 5 / 4);
}

TEST(Plan, TheMachineIsTheSumOfItsParts) {
  const auto plan = make_plan(some_load());
  EXPECT_EQ(row(*plan, "machine_bytes").number, row(*plan, "page_cache_bytes").number +
                                                    row(*plan, "memory_max_bytes").number +
                                                    row(*plan, "system_bytes").number);
  EXPECT_GT(row(*plan, "system_bytes").number, 2_GiB);
  EXPECT_LT(row(*plan, "system_bytes").number, 4_GiB);
}

TEST(Plan, MoreBrokersTakeLessEach) {
  Load load = some_load();
  load.brokers = 6;
  const auto plan = make_plan(load);
  EXPECT_EQ(row(*plan, "written_bytes_per_second").number, 5'000'000u);
  EXPECT_THAT(plan->profile_because, HasSubstr("300 replicas"));
}

TEST(Plan, ShortRetentionNeedsNoMorePageCacheThanThereIsData) {
  Load load = some_load();
  load.retention = std::chrono::minutes(10);
  EXPECT_EQ(row(*make_plan(load), "page_cache_bytes").number, 6'000'000'000u);
}

TEST(Plan, TheProfileGrowsWithPartitionsAndConnections) {
  Load load = some_load();
  load.partitions = 2'001;
  EXPECT_EQ(make_plan(load)->profile, "production-medium");
  load.consumers = 8'000;
  EXPECT_EQ(make_plan(load)->profile, "production-large");
  load = {.rate = 1'000, .retention = std::chrono::hours(1), .partitions = 10, .replication = 1};
  EXPECT_EQ(make_plan(load)->profile, "development");
}

TEST(Plan, PartitionsOfAllBrokersMayNeedAKeyBesideTheProfile) {
  Load load = some_load();
  load.partitions = 5'000;
  load.brokers = 10;
  const auto plan = make_plan(load);
  EXPECT_EQ(plan->profile, "production-small");
  EXPECT_THAT(plan->keys, ElementsAre("max.partitions = 5000"));
}

TEST(Plan, AMachineLargerThanAnyProfilesSaysHowManyBrokersMakeItSmaller) {
  Load load = some_load();
  load.rate = 100'000'000;
  const auto plan = make_plan(load);
  EXPECT_THAT(row(*plan, "machine_bytes").because, HasSubstr("with --brokers 9 no more than 128"));
  load.brokers = 9;
  EXPECT_LE(row(*make_plan(load), "machine_bytes").number, 128_GiB);
  load.brokers = 8;
  EXPECT_GT(row(*make_plan(load), "machine_bytes").number, 128_GiB);
}

TEST(Plan, WhatNoProfileTakesIsRefusedWithTheBrokersThatWould) {
  Load load = some_load();
  load.partitions = 100'000;
  EXPECT_THAT(refusal_of(load), HasSubstr("take --brokers 10"));
  load.brokers = 10;
  EXPECT_TRUE(make_plan(load));
  load.consumers = 20'000;
  EXPECT_THAT(refusal_of(load), HasSubstr("several clusters"));
}

TEST(Plan, ALoadThatMakesNoSenseIsRefused) {
  const auto with = [](auto change) {
    Load load = some_load();
    change(load);
    return refusal_of(load);
  };
  EXPECT_THAT(with([](Load& load) { load.rate = 0; }), HasSubstr("--rate"));
  EXPECT_THAT(with([](Load& load) { load.retention = Duration{}; }), HasSubstr("--retention"));
  EXPECT_THAT(with([](Load& load) { load.partitions = 0; }), HasSubstr("--partitions 0"));
  EXPECT_THAT(with([](Load& load) { load.replication = 33; }), HasSubstr("--replication 33"));
  EXPECT_THAT(with([](Load& load) { load.brokers = 2; }), HasSubstr("--brokers 2"));
  EXPECT_THAT(with([](Load& load) { load.consumers = UINT64_MAX; }), HasSubstr("1,000,000"));
}

TEST(Plan, TheLargestNumbersDoNotOverflow) {
  Load load = some_load();
  load.rate = 1024 * 1_GiB;
  load.retention = Duration::max();
  const auto plan = make_plan(load);
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(row(*plan, "disk_bytes").number, 9'000'000'000'000'000'000u);
}

}  // namespace
}  // namespace sluice::cli::doctor
