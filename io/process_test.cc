#include "io/process.h"

#include <algorithm>
#include <array>
#include <atomic>

#include <sys/resource.h>

#include <gtest/gtest.h>

#include "io/clock.h"

namespace sluice::io {
namespace {

TEST(Process, CpuTimeGrowsWithWork) {
  const Duration before = process_cpu_time();
  volatile uint64_t sink = 0;
  while (process_cpu_time() - before < 5ms) sink = sink + 1;
  EXPECT_GE(process_cpu_time() - before, 5ms);
}

TEST(Process, BlocksUntilTheTimeIsReached) {
  const SystemClock clock;
  const TimePoint at = clock.now() + 2ms;
  block_until(at);
  EXPECT_GE(clock.now(), at);
}

TEST(Process, BlocksNotAtAllForATimeThatIsOver) {
  const SystemClock clock;
  block_until(clock.now() - 1h);
}

TEST(Process, RunsEachPieceOfWorkOnce) {
  std::array<std::atomic<int>, 4> runs{};
  run_on_threads(runs.size(), [&](size_t index) { ++runs.at(index); });
  for (const auto& count : runs) EXPECT_EQ(count.load(), 1);
}

TEST(Process, RaisesTheDescriptorLimitToTheHardOne) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit lower = before;
  lower.rlim_cur = std::min<rlim_t>(before.rlim_max, 256);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
  EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
}

TEST(Process, AVariableThatIsNotSetIsNothing) {
  EXPECT_EQ(environment_variable("SLUICE_SURELY_NOT_SET"), std::nullopt);
  EXPECT_TRUE(environment_variable("PATH"));
}

}  // namespace
}  // namespace sluice::io
