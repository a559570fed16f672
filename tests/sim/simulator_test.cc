#include "tests/sim/simulator.h"

#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/sync.h"

namespace sluice::sim {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

io::Task<void> append(std::vector<int>& order, int value, io::Loop& loop) {
  co_await loop.yield();
  order.push_back(value);
}

io::Task<std::vector<int>> race(io::Loop& loop) {
  std::vector<int> order;
  io::Scope scope;
  for (int i = 0; i < 5; ++i) scope.start(append(order, i, loop));
  co_await scope.join();
  co_return order;
}

TEST(SimulatorTest, ReturnsTheValueOfATask) {
  Simulator simulator(1);
  SimNode& node = simulator.add_node("a");
  auto& loop = node.runtime().executor.control();
  EXPECT_THAT(simulator.run_on(loop, race(loop)), UnorderedElementsAre(0, 1, 2, 3, 4));
}

TEST(SimulatorTest, OrdersReadyCoroutinesByTheSeed) {
  std::set<std::vector<int>> orders;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Simulator simulator(seed);
    auto& loop = simulator.add_node("a").runtime().executor.worker(0);
    orders.insert(simulator.run_on(loop, race(loop)));
  }
  EXPECT_GT(orders.size(), 20u);
}

TEST(SimulatorTest, JumpsToTheNextTimer) {
  Simulator simulator(1);
  SimNode& node = simulator.add_node("a");
  const TimePoint before = node.clock().now();
  simulator.run_on(node.runtime().executor.control(), io::sleep_until(before + 24h));
  EXPECT_GE(node.clock().now(), before + 24h);
  EXPECT_LT(node.clock().now(), before + 24h + 1s);
  EXPECT_LT(simulator.steps(), 20u);
}

io::Task<void> stay_busy(io::Loop& loop, int steps) {
  for (int i = 0; i < steps; ++i) co_await loop.yield();
}

TEST(SimulatorTest, KeepsALoopBusyWhileOthersGoOn) {
  SimOptions options;
  options.scheduler.cpu_delay_max = 1ms;
  Simulator simulator(1, options);
  auto& executor = simulator.add_node("a").runtime().executor;
  simulator.start_on(executor.worker(0), stay_busy(executor.worker(0), 200));
  simulator.run_on(executor.worker(1), stay_busy(executor.worker(1), 200));
  const auto together = simulator.now();
  simulator.run_on(executor.worker(1), stay_busy(executor.worker(1), 200));
  EXPECT_GT(simulator.now() - together, 50ms);
  EXPECT_LT(together, 200ms) << "two loops take turns";
}

TEST(SimulatorTest, RunsOffloadedWorkOnNoLoopAndComesBack) {
  Simulator simulator(1);
  auto& executor = simulator.add_node("a").runtime().executor;
  const auto body = [](io::Executor& on) -> io::Task<bool> {
    const bool off_loop = co_await on.offload([] { return io::Loop::current() == nullptr; });
    co_return off_loop&& io::Loop::current() == &on.worker(1);
  };
  EXPECT_TRUE(simulator.run_on(executor.worker(1), body(executor)));
  EXPECT_EQ(io::Loop::current(), nullptr);
}

TEST(SimulatorTest, NumbersWorkersFirstThenTheControlLoop) {
  Simulator simulator(1);
  auto& executor = simulator.add_node("a", {.workers = 2}).runtime().executor;
  EXPECT_THAT((std::vector{executor.worker(0).index(), executor.worker(1).index(),
                           executor.control().index(), executor.loops()}),
              ElementsAre(0, 1, 2, 3));
}

TEST(SimulatorTest, RunsUntilAPredicateOrATime) {
  Simulator simulator(1);
  SimNode& node = simulator.add_node("a");
  bool done = false;
  simulator.start_on(node.runtime().executor.control(), [](bool& flag) -> io::Task<void> {
    co_await io::sleep_for(10s);
    flag = true;
  }(done));
  EXPECT_FALSE(simulator.run_until([&] { return done; }, 5s));
  EXPECT_EQ(simulator.now(), 5s);
  EXPECT_TRUE(simulator.run_until([&] { return done; }, 6s));
  EXPECT_LT(simulator.now(), 11s);
}

TEST(SimulatorTest, PausedNodesTakeNoStepsButTheirClocksGoOn) {
  Simulator simulator(1);
  SimNode& node = simulator.add_node("a");
  node.pause(10s);
  const TimePoint before = node.clock().now();
  simulator.run_on(node.runtime().executor.control(), io::sleep_until(before + 1s));
  EXPECT_GE(node.clock().now(), before + 10s);
}

TEST(SimulatorTest, ClocksOfNodesDriftAndJump) {
  Simulator simulator(1);
  SimNode& fast = simulator.add_node("fast", {.clock_drift_ppm = 1000});
  SimNode& late = simulator.add_node("late", {.wall_skew = -1h});
  const TimePoint before = fast.clock().now();
  simulator.run_for(1000s);
  EXPECT_EQ(fast.clock().now() - before, 1001s);
  EXPECT_EQ(fast.clock().wall_now() - late.clock().wall_now(), 3'601'000);
  late.clock().jump_wall(1h);
  EXPECT_EQ(fast.clock().wall_now() - late.clock().wall_now(), 1'000);
}

TEST(SimulatorTest, TimersOfADriftingClockFireWhenItShowsTheirTime) {
  for (const int64_t drift : {-100'000, -7, 3, 50'000}) {
    Simulator simulator(1, {.scheduler = {.cpu_delay_max = 0ns}});
    SimNode& node = simulator.add_node("a", {.clock_drift_ppm = drift});
    const TimePoint at = node.clock().now() + 1h + 1ns;
    simulator.run_on(node.runtime().executor.control(), io::sleep_until(at));
    EXPECT_GE(node.clock().now(), at) << drift;
    EXPECT_LE(node.clock().now(), at + 1ns) << drift;
  }
}

TEST(SimulatorDeathTest, NamesTheSeedWhenATestWaitsForWhatNeverComes) {
  const auto hang = [] {
    Simulator simulator(4711);
    io::Signal never;
    simulator.run(never.wait(never.ticket()));
  };
  EXPECT_DEATH(hang(), "what a test waits for comes: seed 4711");
}

TEST(SimulatorDeathTest, NamesTheSeedWhenARunDoesNotEnd) {
  const auto spin = [] {
    Simulator simulator(4711, {.scheduler = {.step_limit = 1000}});
    simulator.run([]() -> io::Task<void> {
      while (true) co_await io::Loop::current()->yield();
    }());
  };
  EXPECT_DEATH(spin(), "step limit: seed 4711");
}

}  // namespace
}  // namespace sluice::sim
