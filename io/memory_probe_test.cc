#include "io/memory_probe.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace sluice::io {
namespace {

/// A machine's /proc and /sys, as far as the test writes them.
class MemoryProbeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(::testing::TempDir()) /
            ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(root_);
    put("/proc/meminfo", "MemTotal:       16384 kB\nMemFree:   1 kB\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_.string() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  MemoryReading read() { return SystemMemory(root_.string()).read(); }

  std::filesystem::path root_;
};

TEST_F(MemoryProbeTest, ReadsRamWhereNoGroupHasALimit) {
  put("/proc/self/cgroup", "0::/service\n");
  put("/sys/fs/cgroup/service/memory.max", "max\n");
  const MemoryReading reading = read();
  EXPECT_EQ(reading.machine, 16'777'216U);
  EXPECT_FALSE(reading.group_limit);
  EXPECT_EQ(reading.available(), 16'777'216U);
  EXPECT_FALSE(reading.some_stalled);
}

TEST_F(MemoryProbeTest, TakesTheTightestLimitOnTheWayUpAndLeavesOutWhatCanBeDropped) {
  put("/proc/self/cgroup", "0::/slice/service\n");
  put("/sys/fs/cgroup/slice/memory.max", "1000000\n");
  put("/sys/fs/cgroup/slice/memory.current", "900000\n");
  put("/sys/fs/cgroup/slice/memory.stat",
      "anon 1\ninactive_file 200000\nactive_file 100000\nslab_reclaimable 50000\n");
  put("/sys/fs/cgroup/slice/memory.pressure",
      "some avg10=12.50 avg60=1.00 avg300=0.10 total=7\n"
      "full avg10=2.25 avg60=0.50 avg300=0.00 total=3\n");
  put("/sys/fs/cgroup/slice/service/memory.max", "2000000\n");
  put("/proc/pressure/memory", "some avg10=99.00\nfull avg10=98.00\n");
  const MemoryReading reading = read();
  EXPECT_EQ(reading.group_limit, 1'000'000U);
  EXPECT_EQ(reading.group_held, 550'000U);
  EXPECT_EQ(reading.available(), 1'000'000U);
  EXPECT_EQ(reading.some_stalled, 12.5);
  EXPECT_EQ(reading.all_stalled, 2.25);
}

TEST_F(MemoryProbeTest, ReadsVersionOneAndTheMachinesStalls) {
  put("/proc/self/cgroup", "8:pids:/x\n4:memory:/docker/abc\n0::/\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n");
  put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "100000000\n");
  put("/sys/fs/cgroup/memory/memory.stat",
      "inactive_file 5\ntotal_inactive_file 30000000\ntotal_active_file 10000000\n");
  put("/proc/pressure/memory", "some avg10=3.00 x\nfull avg10=1.00 x\n");
  const MemoryReading reading = read();
  EXPECT_EQ(reading.group_limit, 134'217'728U) << "the host's path is not there, the top is";
  EXPECT_EQ(reading.group_held, 60'000'000U);
  EXPECT_EQ(reading.all_stalled, 1.0);
}

TEST_F(MemoryProbeTest, VersionOnesNoLimitIsNone) {
  put("/proc/self/cgroup", "4:memory:/\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_FALSE(read().group_limit);
}

TEST_F(MemoryProbeTest, SeesALimitThatIsLoweredOrSetWhileTheProcessRuns) {
  put("/proc/self/cgroup", "0::/service\n");
  SystemMemory memory(root_.string());
  EXPECT_FALSE(memory.read().group_limit);
  put("/sys/fs/cgroup/service/memory.max", "8000000\n");
  EXPECT_EQ(memory.read().group_limit, 8'000'000U);
  put("/sys/fs/cgroup/service/memory.max", "4000000\n");
  EXPECT_EQ(memory.read().group_limit, 4'000'000U);
}

TEST_F(MemoryProbeTest, AMachineThatTellsNothingIsUnknown) {
  const MemoryReading reading = SystemMemory(root_.string() + "/nowhere").read();
  EXPECT_FALSE(reading.machine);
  EXPECT_FALSE(reading.available());
}

}  // namespace
}  // namespace sluice::io
