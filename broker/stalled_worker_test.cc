// What the consensus and the sessions of brokers do while workers stand still.

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/support/cluster_world.h"

namespace sluice::broker {
namespace {

using testing::ClusterWorld;

class StalledWorkers : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world.start_all());
    ASSERT_TRUE(world.eventually([&] { return controller(1) > 0 && nobody_is_fenced(); }));
    // Brokers have talked to their controller by then.
    world.pass(1s);
  }
  int32_t controller(int32_t at) {
    return world.node(at).metadata().controller().value_or(NodeId{-1}).value();
  }
  bool nobody_is_fenced() {
    return std::ranges::none_of(kAll, [&](int32_t id) { return world.fenced(1, id); });
  }
  /// All workers of a broker stand still for so long; its control loop runs.
  void stall(int32_t id, Duration duration) {
    auto& executor = world.broker(id).machine->executor();
    for (size_t i = 0; i < executor.workers(); ++i) {
      executor.pause_worker_until(i, world.simulator().now() + duration);
    }
  }

  static constexpr std::array<int32_t, 3> kAll = {1, 2, 3};
  ClusterWorld world;
};

TEST_F(StalledWorkers, CostNobodyItsSessionNorTheControllerItsTerm) {
  const int32_t leads = controller(1);
  for (const int32_t id : kAll) stall(id, 3s);
  for (Duration passed{}; passed < 4s; passed += 100ms) {
    world.pass(100ms);
    EXPECT_TRUE(nobody_is_fenced()) << passed / 1ms << " ms";
    EXPECT_EQ(controller(1), leads) << passed / 1ms << " ms";
  }
}

TEST_F(StalledWorkers, DelayNoElection) {
  const int32_t gone = controller(1);
  const int32_t other = gone == 1 ? 2 : 1;
  for (const int32_t id : kAll) {
    if (id != gone) stall(id, 5s);
  }
  world.kill(gone);
  EXPECT_TRUE(world.eventually(
      [&] {
        const int32_t leads = controller(other);
        return leads > 0 && leads != gone;
      },
      2s));
}

}  // namespace
}  // namespace sluice::broker
