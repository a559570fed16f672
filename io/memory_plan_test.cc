#include "io/memory_plan.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"

namespace sluice::io {
namespace {

using ::testing::HasSubstr;

MemoryReading machine(uint64_t bytes) { return {.machine = bytes}; }

size_t cap(const std::string& wanted, const MemoryReading& reading) {
  const auto plan = plan_memory(wanted, 2, reading);
  EXPECT_TRUE(plan) << plan.error().message();
  return plan ? plan->cap : 0;
}

std::string refusal(const std::string& wanted, const MemoryReading& reading) {
  const auto plan = plan_memory(wanted, 2, reading);
  EXPECT_FALSE(plan);
  if (plan) return "";
  EXPECT_EQ(plan.error().code(), Errc::invalid_config);
  return std::string(plan.error().message());
}

TEST(MemoryPlan, AutoIsATenthOfWhatThereIsWithinItsBounds) {
  EXPECT_EQ(cap("auto", machine(20_GiB)), 2_GiB);
  EXPECT_EQ(cap("auto", machine(512_MiB)), 64_MiB);
  EXPECT_EQ(cap("auto", machine(512_GiB)), 8_GiB);
  EXPECT_EQ(cap("auto", {}), 64_MiB) << "a machine that tells nothing";
}

TEST(MemoryPlan, AGroupsLimitCountsWhereItIsTighterThanTheMachine) {
  MemoryReading reading = machine(64_GiB);
  reading.group_limit = 4_GiB;
  EXPECT_EQ(cap("25%", reading), 1_GiB);
  const auto plan = plan_memory("25%", 2, reading);
  EXPECT_TRUE(plan->is_group);
  EXPECT_EQ(plan->page_cache(), 3_GiB);
  reading.group_limit = 128_GiB;
  EXPECT_EQ(cap("25%", reading), 16_GiB);
}

TEST(MemoryPlan, ASizeIsTakenAsItIsAndAnEighthOfItKeptForReplication) {
  const auto plan = plan_memory("512MiB", 2, machine(4_GiB));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->cap, 512_MiB);
  EXPECT_EQ(plan->reserve, 64_MiB);
}

TEST(MemoryPlan, ACapBelowWhatTheConfigurationNeedsIsRefusedWithBothNumbers) {
  const std::string why = refusal("16MiB", machine(4_GiB));
  for (const char* part : {"memory.max = \"16MiB\"", "2 workers", "22 MiB", "raise memory.max"}) {
    EXPECT_THAT(why, HasSubstr(part));
  }
}

TEST(MemoryPlan, APercentageOfNothingIsRefused) {
  EXPECT_THAT(refusal("25%", {}), HasSubstr("give a size"));
  for (const char* bad : {"0%", "-5%", "91%", "x%", "%"}) {
    EXPECT_THAT(refusal(bad, machine(4_GiB)), HasSubstr("at most 90 %")) << bad;
  }
}

TEST(MemoryPlan, ACapThatLeavesNothingToThePageCacheIsRefused) {
  EXPECT_THAT(refusal("4GiB", machine(4_GiB)), HasSubstr("this machine has, 4 GiB"));
  MemoryReading reading = machine(64_GiB);
  reading.group_limit = 128_MiB;
  EXPECT_THAT(refusal("256MiB", reading), HasSubstr("the control group's limit allows"));
}

TEST(MemoryPlan, ATextThatIsNoSizeIsRefusedWithTheFormsThereAre) {
  EXPECT_THAT(refusal("3 parsecs", machine(4_GiB)), HasSubstr("nor a percentage (25%), nor auto"));
}

}  // namespace
}  // namespace sluice::io
