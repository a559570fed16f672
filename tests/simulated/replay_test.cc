// A broker and its clients in one process: a seed names a run.

#include <set>

#include <gtest/gtest.h>

#include "tests/simulated/run.h"

namespace sluice::sim {
namespace {

const RunOptions kCalm{.misfortunes = 0};

TEST(SimulatedReplayTest, CreatesProducesConsumesAndDescribesWithoutFaults) {
  const RunReport report = run_seed(1, kCalm);
  EXPECT_TRUE(report.broken.empty()) << report.broken.front() << "\n" << report.history;
  EXPECT_GT(report.acknowledged, 300u);
  EXPECT_GT(report.read, report.acknowledged);
  EXPECT_EQ(report.unknown, 0u);
}

TEST(SimulatedReplayTest, TheSameSeedGivesTheSameTrace) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    const RunReport first = run_seed(seed, kCalm);
    const RunReport second = run_seed(seed, kCalm);
    EXPECT_EQ(first.trace, second.trace) << "seed " << seed;
    EXPECT_EQ(first.steps, second.steps) << "seed " << seed;
    EXPECT_EQ(first.history, second.history) << "seed " << seed;
  }
}

TEST(SimulatedReplayTest, AnotherSeedGivesAnotherTrace) {
  std::set<uint64_t> traces;
  for (uint64_t seed = 1; seed <= 4; ++seed) traces.insert(run_seed(seed, kCalm).trace);
  EXPECT_EQ(traces.size(), 4u);
}

TEST(SimulatedReplayTest, ReplaysMisfortunesToo) {
  EXPECT_EQ(run_seed(7).history, run_seed(7).history);
}

TEST(SimulatedReplayTest, ReplaysAClusterToo) {
  const RunReport first = run_seed(3, {.brokers = 3});
  const RunReport second = run_seed(3, {.brokers = 3});
  EXPECT_EQ(first.trace, second.trace);
  EXPECT_EQ(first.history, second.history);
  EXPECT_TRUE(first.broken.empty()) << first.broken.front();
}

}  // namespace
}  // namespace sluice::sim
