#include "client/cli/doctor/directory_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/doctor/made_up_machine.h"

namespace sluice::cli::doctor {
namespace {

using ::testing::HasSubstr;

class DirectoryChecksTest : public ::testing::Test {
 protected:
  MachineFacts machine_ = well_kept_machine();
  DirectoryFacts& directory_ = machine_.directories.front();
};

TEST_F(DirectoryChecksTest, AGoodDiskIsOk) {
  const auto findings = check_directories(machine_);
  EXPECT_EQ(findings.size(), 4u);
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.verdict, Verdict::ok) << finding.check << ": " << finding.found;
    EXPECT_THAT(finding.found, ::testing::AnyOf(HasSubstr("/data"), HasSubstr("nvme0n1")));
  }
}

TEST_F(DirectoryChecksTest, ThatNoDirectoryIsNamedIsSaid) {
  machine_.directories.clear();
  const auto findings = check_directories(machine_);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings.front().verdict, Verdict::warn);
  EXPECT_THAT(findings.front().way_out, HasSubstr("--data DIR"));
}

TEST_F(DirectoryChecksTest, EveryDirectoryIsLookedAt) {
  machine_.directories.push_back(directory_);
  machine_.directories.back().file_system = "tmpfs";
  machine_.directories.back().disks.clear();
  const auto findings = check_directories(machine_);
  ASSERT_EQ(findings.size(), 6u);
  EXPECT_EQ(findings[4].verdict, Verdict::fail);
}

TEST_F(DirectoryChecksTest, FileSystemsThatKeepNoPromiseFail) {
  for (const char* type : {"tmpfs", "nfs4", "cifs", "9p", "fuse.sshfs"}) {
    directory_.file_system = type;
    EXPECT_EQ(check_file_system(directory_).verdict, Verdict::fail) << type;
    EXPECT_THAT(check_file_system(directory_).way_out, HasSubstr("mount a disk")) << type;
  }
  for (const char* type : {"btrfs", "zfs", "overlay", ""}) {
    directory_.file_system = type;
    EXPECT_EQ(check_file_system(directory_).verdict, Verdict::warn) << type;
  }
  directory_.file_system = "ext4";
  EXPECT_EQ(check_file_system(directory_).verdict, Verdict::ok);
}

TEST_F(DirectoryChecksTest, MountOptionsThatBreakPromisesFail) {
  directory_.mount_options = {"ro", "noatime"};
  EXPECT_EQ(check_mount_options(directory_).verdict, Verdict::fail);
  EXPECT_EQ(check_mount_options(directory_).way_out, "mount -o remount,rw /data");
  for (const char* option : {"nobarrier", "barrier=0"}) {
    directory_.mount_options = {"rw", "noatime", option};
    EXPECT_EQ(check_mount_options(directory_).verdict, Verdict::fail) << option;
  }
}

TEST_F(DirectoryChecksTest, MountOptionsThatCostAreWarnedOf) {
  directory_.mount_options = {"rw"};
  EXPECT_EQ(check_mount_options(directory_).verdict, Verdict::warn);
  EXPECT_THAT(check_mount_options(directory_).way_out, HasSubstr("remount,noatime /data"));
  directory_.mount_options = {"rw", "relatime", "sync"};
  EXPECT_EQ(check_mount_options(directory_).verdict, Verdict::warn);
  EXPECT_THAT(check_mount_options(directory_).way_out, HasSubstr("remount,async /data"));
  directory_.mount_options = {"rw", "relatime"};
  EXPECT_EQ(check_mount_options(directory_).verdict, Verdict::ok);
}

TEST_F(DirectoryChecksTest, ADiskThatRotatesIsWarnedOf) {
  directory_.disks.push_back({.name = "sda", .rotational = true});
  EXPECT_EQ(check_disk_kind(directory_).verdict, Verdict::warn);
  EXPECT_EQ(check_disk_kind(directory_).found, "nvme0n1 is solid, sda rotates for /data");
  directory_.disks.back().rotational = false;
  EXPECT_EQ(check_disk_kind(directory_).verdict, Verdict::ok);
  directory_.disks = {{.name = "sda"}};
  EXPECT_EQ(check_disk_kind(directory_).found, "not known");
}

TEST_F(DirectoryChecksTest, TheSchedulerFitsTheKindOfDisk) {
  DiskFacts& disk = directory_.disks.front();
  disk.scheduler->in_force = "bfq";
  EXPECT_EQ(check_io_scheduler(directory_).verdict, Verdict::warn);
  EXPECT_EQ(check_io_scheduler(directory_).way_out,
            "echo none > /sys/block/nvme0n1/queue/scheduler");
  disk.rotational = true;
  EXPECT_EQ(check_io_scheduler(directory_).verdict, Verdict::ok);
  disk.scheduler->in_force = "none";
  EXPECT_EQ(check_io_scheduler(directory_).way_out,
            "echo mq-deadline > /sys/block/nvme0n1/queue/scheduler");
  disk.scheduler->in_force = "mq-deadline";
  EXPECT_EQ(check_io_scheduler(directory_).verdict, Verdict::ok);
}

}  // namespace
}  // namespace sluice::cli::doctor
