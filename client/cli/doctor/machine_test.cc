#include "client/cli/doctor/machine.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/bytes.h"

namespace sluice::cli::doctor {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

/// A tree of files that looks like a machine's.
class MachineTest : public ::testing::Test {
 protected:
  MachineTest() { fs::create_directories(root_); }
  ~MachineTest() override { fs::remove_all(root_); }

  void plant(const std::string& path, std::string_view text) {
    const fs::path file = root_.string() + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  void link(const std::string& path, const std::string& to) {
    const fs::path from = root_.string() + path;
    fs::create_directories(from.parent_path());
    fs::create_directory_symlink(fs::relative(root_.string() + to, from.parent_path()), from);
  }
  MachineFacts look(std::vector<std::string> directories = {},
                    const std::string& process = "self") const {
    return read_machine(io::SystemFiles(root_.string()),
                        {.process = process, .directories = std::move(directories)});
  }

  const fs::path root_ =
      fs::temp_directory_path() / ("sluice-doctor-" + std::to_string(::getpid()));
};

TEST_F(MachineTest, ReadsMemoryAndHowTheKernelUsesIt) {
  plant("/proc/meminfo", "MemTotal:       16777216 kB\nSwapTotal:       2097152 kB");
  plant("/proc/sys/vm/swappiness", "60");
  plant("/proc/sys/vm/max_map_count", "65530");
  plant("/proc/sys/vm/zone_reclaim_mode", "1");
  plant("/proc/sys/vm/dirty_ratio", "20");
  plant("/proc/sys/vm/dirty_background_ratio", "0");
  plant("/proc/sys/vm/dirty_background_bytes", "1048576");
  plant("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never");
  plant("/sys/devices/system/node/online", "0-1");
  const MachineFacts facts = look();
  EXPECT_EQ(facts.memory, 16_GiB);
  EXPECT_EQ(facts.swap, 2_GiB);
  EXPECT_EQ(facts.swappiness, 60u);
  EXPECT_EQ(facts.max_map_count, 65'530u);
  EXPECT_EQ(facts.zone_reclaim_mode, 1u);
  ASSERT_TRUE(facts.dirty);
  EXPECT_EQ(facts.dirty->percent, 20u);
  EXPECT_EQ(facts.dirty->background_bytes, 1_MiB);
  EXPECT_EQ(facts.huge_pages->in_force, "always");
  EXPECT_EQ(facts.numa_nodes, 2u);
}

TEST_F(MachineTest, ReadsProcessorsClockAndKernel) {
  plant("/sys/devices/system/cpu/online", "0-2");
  for (const char* core : {"0", "1"}) {
    plant(std::string("/sys/devices/system/cpu/cpu") + core + "/cpufreq/scaling_governor",
          "powersave");
  }
  plant("/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "performance");
  plant("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet");
  plant("/sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet");
  plant("/proc/sys/kernel/osrelease", "5.10.0-8-amd64");
  plant("/proc/sys/kernel/io_uring_disabled", "2");
  const MachineFacts facts = look();
  EXPECT_EQ(facts.cores, 3u);
  EXPECT_THAT(facts.governors, ElementsAre(Pair("performance", 1), Pair("powersave", 2)));
  EXPECT_EQ(facts.clock_source->in_force, "hpet");
  EXPECT_THAT(facts.clock_source->offered, ElementsAre("tsc", "hpet"));
  EXPECT_EQ(facts.kernel, std::pair(5, 10));
  EXPECT_EQ(facts.io_uring_disabled, 2u);
}

TEST_F(MachineTest, ReadsTheLimitsOfTheProcessThatIsNamed) {
  plant("/proc/self/limits", "Max open files  1024  4096  files");
  plant("/proc/77/limits", "Max open files  1024  524288  files\nMax locked memory  1  2  bytes");
  plant("/proc/sys/fs/nr_open", "1048576");
  plant("/proc/sys/net/core/somaxconn", "128");
  EXPECT_EQ(look().open_files->hard, 4'096u);
  EXPECT_FALSE(look().locked_memory);
  const MachineFacts facts = look({}, "77");
  EXPECT_EQ(facts.open_files->hard, 524'288u);
  EXPECT_EQ(facts.locked_memory->hard, 2u);
  EXPECT_EQ(facts.open_files_most, 1'048'576u);
  EXPECT_EQ(facts.listen_backlog, 128u);
}

TEST_F(MachineTest, KnowsNothingOfAMachineThatTellsNothing) {
  const MachineFacts facts = look({"/data"});
  EXPECT_FALSE(facts.memory || facts.dirty || facts.open_files || facts.huge_pages);
  EXPECT_EQ(facts.numa_nodes, 1u);
  EXPECT_EQ(facts.cgroup.version, 0);
  ASSERT_EQ(facts.directories.size(), 1u);
  EXPECT_EQ(facts.directories[0].file_system, "");
}

TEST_F(MachineTest, TakesTheLeastLimitOfACgroupAndThoseAroundIt) {
  plant("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
  plant("/proc/self/cgroup", "0::/system.slice/sluiced.service");
  plant("/sys/fs/cgroup/system.slice/sluiced.service/memory.max", "max");
  EXPECT_EQ(look().cgroup.version, 2);
  EXPECT_FALSE(look().cgroup.memory_limit);
  plant("/sys/fs/cgroup/system.slice/memory.max", "8589934592");
  plant("/sys/fs/cgroup/system.slice/sluiced.service/memory.high", "9589934592");
  EXPECT_EQ(look().cgroup.memory_limit, 8_GiB);
  EXPECT_EQ(look().cgroup.limit_file, "/sys/fs/cgroup/system.slice/memory.max");
  plant("/sys/fs/cgroup/system.slice/sluiced.service/memory.high", "1073741824");
  EXPECT_EQ(look().cgroup.memory_limit, 1_GiB);
}

TEST_F(MachineTest, ReadsAContainersOwnLimitWithoutANamespace) {
  plant("/proc/self/mountinfo",
        "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
        "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory");
  plant("/proc/self/cgroup", "4:memory:/docker/abc\n1:cpu:/\n0::/");
  plant("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648");
  EXPECT_EQ(look().cgroup.version, 1);
  EXPECT_EQ(look().cgroup.memory_limit, 2_GiB);
  plant("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_FALSE(look().cgroup.memory_limit);
}

TEST_F(MachineTest, FindsTheFileSystemAndTheDiskOfAPartition) {
  plant("/proc/self/mountinfo",
        "27 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
        "28 27 259:1 / /data rw,noatime - xfs /dev/nvme0n1p1 rw\n"
        "29 27 0:40 / /data/tmp rw - tmpfs tmpfs rw");
  plant("/sys/devices/pci/nvme0n1/queue/rotational", "0");
  plant("/sys/devices/pci/nvme0n1/queue/scheduler", "[none] kyber");
  plant("/sys/devices/pci/nvme0n1/nvme0n1p1/partition", "1");
  link("/sys/dev/block/259:1", "/sys/devices/pci/nvme0n1/nvme0n1p1");
  fs::create_directories(root_ / "data");
  link("/link", "/data");
  const auto directories = look({"/link/logs", "/data/tmp/x"}).directories;
  EXPECT_EQ(directories[0].path, "/link/logs");
  EXPECT_EQ(directories[0].mount_point, "/data");
  EXPECT_EQ(directories[0].file_system, "xfs");
  EXPECT_THAT(directories[0].mount_options, Contains("noatime"));
  ASSERT_EQ(directories[0].disks.size(), 1u);
  EXPECT_EQ(directories[0].disks[0].name, "nvme0n1");
  EXPECT_EQ(directories[0].disks[0].rotational, false);
  EXPECT_EQ(directories[0].disks[0].scheduler->in_force, "none");
  EXPECT_EQ(directories[1].file_system, "tmpfs");
  EXPECT_THAT(directories[1].disks, IsEmpty());
}

TEST_F(MachineTest, FindsTheDisksOfAVolumeAndOfAFileSystemWithoutADevice) {
  plant("/proc/self/mountinfo",
        "28 27 253:0 / /data rw - ext4 /dev/mapper/vg-data rw\n"
        "29 27 0:50 / /more rw - btrfs /dev/sdb rw");
  for (const char* disk : {"sda", "sdb"}) {
    plant(std::string("/sys/devices/") + disk + "/queue/rotational", "1");
    link(std::string("/sys/class/block/") + disk, std::string("/sys/devices/") + disk);
    link(std::string("/sys/devices/dm-0/slaves/") + disk, std::string("/sys/devices/") + disk);
  }
  link("/sys/dev/block/253:0", "/sys/devices/dm-0");
  const auto directories = look({"/data", "/more"}).directories;
  ASSERT_EQ(directories[0].disks.size(), 2u);
  EXPECT_EQ(directories[0].disks[1].name, "sdb");
  EXPECT_EQ(directories[0].disks[1].rotational, true);
  EXPECT_FALSE(directories[0].disks[1].scheduler);
  ASSERT_EQ(directories[1].disks.size(), 1u);
  EXPECT_EQ(directories[1].disks[0].name, "sdb");
}

}  // namespace
}  // namespace sluice::cli::doctor
