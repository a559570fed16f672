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

TEST(PressureGauge, TheSourceThatPressesHardestCounts) {
  PressureGauge gauge;
  PressureInputs inputs{.used = 10, .cap = 100, .clients_used = 75, .clients_cap = 100};
  EXPECT_EQ(gauge.update(inputs), PressureLevel::warning);
  EXPECT_EQ(gauge.hardest(), PressureSource::clients);
  inputs.machine = {.group_limit = 1000, .group_held = 900};
  EXPECT_EQ(gauge.update(inputs), PressureLevel::high);
  EXPECT_EQ(gauge.hardest(), PressureSource::group);
  inputs.used = 96;
  EXPECT_EQ(gauge.update(inputs), PressureLevel::critical);
  EXPECT_EQ(gauge.hardest(), PressureSource::cap);
  inputs = {.used = 10, .cap = 100, .clients_used = 10, .clients_cap = 100};
  EXPECT_EQ(gauge.update(inputs), PressureLevel::normal)
      << "a group without a limit presses no more";
}

TEST(PressureGauge, AGroupsLimitThatIsLoweredWhileTheProcessRunsPresses) {
  PressureGauge gauge;
  PressureInputs inputs{.cap = 100, .machine = {.group_limit = 1000, .group_held = 500}};
  EXPECT_EQ(gauge.update(inputs), PressureLevel::normal);
  inputs.machine.group_limit = 550;
  EXPECT_EQ(gauge.update(inputs), PressureLevel::high);
  inputs.machine.group_limit = 510;
  EXPECT_EQ(gauge.update(inputs), PressureLevel::critical);
}

TEST(PressureGauge, StallsWarnWithAHysteresisAndNeverRefuse) {
  PressureGauge gauge;
  PressureInputs inputs{.cap = 100, .clients_cap = 100};
  const auto level = [&](double some, double all) {
    inputs.machine.some_stalled = some;
    inputs.machine.all_stalled = all;
    return gauge.update(inputs);
  };
  EXPECT_EQ(level(19, 0), PressureLevel::normal);
  EXPECT_EQ(level(20, 0), PressureLevel::warning);
  EXPECT_EQ(level(11, 0), PressureLevel::warning);
  EXPECT_EQ(level(9, 0), PressureLevel::normal);
  EXPECT_EQ(level(100, 100), PressureLevel::high);
  EXPECT_EQ(level(60, 6), PressureLevel::high);
  EXPECT_EQ(level(60, 4), PressureLevel::warning);
}

}  // namespace
}  // namespace sluice::broker
