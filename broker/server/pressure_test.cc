#include "broker/server/pressure.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

TEST(Pressure, RisesAtItsThresholdsThroughSeveralLevelsAtOnce) {
  EXPECT_EQ(next_level(PressureLevel::normal, 699, 1000), PressureLevel::normal);
  EXPECT_EQ(next_level(PressureLevel::normal, 700, 1000), PressureLevel::warning);
  EXPECT_EQ(next_level(PressureLevel::normal, 850, 1000), PressureLevel::high);
  EXPECT_EQ(next_level(PressureLevel::warning, 1000, 1000), PressureLevel::critical);
}

TEST(Pressure, FallsOnlyWellBelowWhereItRose) {
  EXPECT_EQ(next_level(PressureLevel::warning, 660, 1000), PressureLevel::warning);
  EXPECT_EQ(next_level(PressureLevel::warning, 649, 1000), PressureLevel::normal);
  EXPECT_EQ(next_level(PressureLevel::critical, 901, 1000), PressureLevel::critical);
  EXPECT_EQ(next_level(PressureLevel::critical, 899, 1000), PressureLevel::high);
  EXPECT_EQ(next_level(PressureLevel::critical, 0, 1000), PressureLevel::normal);
}

TEST(Pressure, AsksMoreOfClientsAtEveryLevel) {
  for (size_t i = 1; i < kPressureLevels; ++i) {
    const auto less = policy_of(static_cast<PressureLevel>(i - 1));
    const auto more = policy_of(static_cast<PressureLevel>(i));
    EXPECT_GE(more.produce_delay, less.produce_delay);
    EXPECT_GE(more.request_delay, less.request_delay);
    EXPECT_GE(more.fetch_divisor, less.fetch_divisor);
  }
  EXPECT_FALSE(policy_of(PressureLevel::high).refuse_produce);
  EXPECT_TRUE(policy_of(PressureLevel::critical).refuse_produce);
  EXPECT_TRUE(policy_of(PressureLevel::critical).close_idle);
}

}  // namespace
}  // namespace sluice::broker
