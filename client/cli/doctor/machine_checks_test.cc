#include "client/cli/doctor/machine_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/doctor/made_up_machine.h"

namespace sluice::cli::doctor {
namespace {

using ::testing::HasSubstr;

constexpr Verdict kOk = Verdict::ok;
constexpr Verdict kWarn = Verdict::warn;

class MachineChecksTest : public ::testing::Test {
 protected:
  MachineFacts machine_ = well_kept_machine();
  BrokerSettings broker_ = small_broker();
};

TEST_F(MachineChecksTest, AWellKeptMachineIsOk) {
  for (const Finding& finding : check_machine(machine_, broker_)) {
    EXPECT_EQ(finding.verdict, kOk) << finding.check << ": " << finding.found;
    EXPECT_FALSE(finding.found.empty() || finding.wanted.empty()) << finding.check;
    EXPECT_EQ(finding.way_out, "") << finding.check;
  }
}

TEST_F(MachineChecksTest, WhatIsNotToldIsNoOk) {
  for (const Finding& finding : check_machine({}, broker_)) {
    const bool needs_no_fact = finding.check == "cpu_governor" || finding.check == "numa" ||
                               finding.check == "io_uring" || finding.check == "swap";
    EXPECT_EQ(finding.verdict, needs_no_fact ? kOk : kWarn) << finding.check;
  }
}

TEST_F(MachineChecksTest, HugePagesForEverybodyAreWarnedOf) {
  machine_.huge_pages->in_force = "never";
  EXPECT_EQ(check_huge_pages(machine_).verdict, kOk);
  machine_.huge_pages->in_force = "always";
  EXPECT_EQ(check_huge_pages(machine_).verdict, kWarn);
  EXPECT_THAT(check_huge_pages(machine_).way_out,
              HasSubstr("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"));
}

TEST_F(MachineChecksTest, WritingBackMustBeginEarly) {
  machine_.dirty->background_percent = 20;
  machine_.dirty->percent = 60;
  EXPECT_EQ(check_dirty_pages(machine_).verdict, kWarn);
  EXPECT_EQ(check_dirty_pages(machine_).way_out, "sysctl -w vm.dirty_background_ratio=10");
  machine_.dirty->background_bytes = 1_GiB;
  EXPECT_EQ(check_dirty_pages(machine_).verdict, kOk);
}

TEST_F(MachineChecksTest, TenPercentOfALargeMachineAreTooMuchToWriteBack) {
  machine_.memory = 128_GiB;
  EXPECT_EQ(check_dirty_pages(machine_).verdict, kWarn);
  EXPECT_EQ(check_dirty_pages(machine_).way_out, "sysctl -w vm.dirty_background_bytes=4294967296");
  machine_.dirty->background_percent = 3;
  EXPECT_EQ(check_dirty_pages(machine_).verdict, kOk);
}

TEST_F(MachineChecksTest, WritersWaitWellAboveWhereWritingBackBegins) {
  machine_.dirty->percent = 12;
  EXPECT_EQ(check_dirty_pages(machine_).verdict, kWarn);
  EXPECT_EQ(check_dirty_pages(machine_).way_out, "sysctl -w vm.dirty_ratio=20");
  machine_.dirty->percent = 20;
  EXPECT_EQ(check_dirty_pages(machine_).verdict, kOk);
  machine_.dirty->background_bytes = 1_GiB;
  machine_.dirty->bytes = 1_GiB;
  EXPECT_EQ(check_dirty_pages(machine_).way_out, "sysctl -w vm.dirty_bytes=2147483648");
}

TEST_F(MachineChecksTest, SwapIsFineWhenItIsHardlyUsed) {
  EXPECT_EQ(check_swap(machine_).found, "none");
  machine_.swap = 2_GiB;
  EXPECT_EQ(check_swap(machine_).verdict, kWarn);
  EXPECT_EQ(check_swap(machine_).found, "2 GiB, vm.swappiness 60");
  EXPECT_THAT(check_swap(machine_).way_out, HasSubstr("sysctl -w vm.swappiness=1"));
  machine_.swappiness = 10;
  EXPECT_EQ(check_swap(machine_).verdict, kOk);
}

TEST_F(MachineChecksTest, OnlyOldKernelsCountRingsAsLockedMemory) {
  machine_.locked_memory = ResourceLimit{0, 65'536};
  EXPECT_EQ(check_locked_memory(machine_, broker_).verdict, kOk);
  machine_.kernel = std::pair(5, 10);
  EXPECT_EQ(check_locked_memory(machine_, broker_).verdict, kWarn);
  EXPECT_THAT(check_locked_memory(machine_, broker_).way_out, HasSubstr("LimitMEMLOCK=163840"));
  machine_.locked_memory->hard = ResourceLimit::kUnlimited;
  EXPECT_EQ(check_locked_memory(machine_, broker_).verdict, kOk);
  machine_.locked_memory->hard = 0;
  broker_.disk_backend = "threads";
  EXPECT_EQ(check_locked_memory(machine_, broker_).verdict, kOk);
}

TEST_F(MachineChecksTest, AForbiddenRingMattersToWhoWouldUseIt) {
  machine_.io_uring_disabled = 2;
  EXPECT_EQ(check_io_uring(machine_, broker_).verdict, kWarn);
  EXPECT_THAT(check_io_uring(machine_, broker_).way_out,
              HasSubstr("sysctl -w kernel.io_uring_disabled=0"));
  broker_.disk_backend = "threads";
  EXPECT_EQ(check_io_uring(machine_, broker_).verdict, kOk);
}

TEST_F(MachineChecksTest, ASlowClockIsExchangedForOneThatIsOffered) {
  machine_.clock_source = KernelChoice{"hpet", {"hpet", "tsc"}};
  EXPECT_EQ(check_clock_source(machine_).verdict, kWarn);
  EXPECT_THAT(check_clock_source(machine_).way_out, HasSubstr("echo tsc > /sys/"));
  machine_.clock_source->offered = {"hpet"};
  EXPECT_THAT(check_clock_source(machine_).way_out, HasSubstr("clocksource=tsc"));
  machine_.clock_source->in_force = "kvm-clock";
  EXPECT_EQ(check_clock_source(machine_).verdict, kOk);
}

TEST_F(MachineChecksTest, AClockThatNobodySetsIsWarnedOf) {
  EXPECT_EQ(check_clock(machine_).verdict, kOk);
  machine_.clock_synchronised = false;
  EXPECT_EQ(check_clock(machine_).found, "not synchronised");
  EXPECT_EQ(check_clock(machine_).verdict, kWarn);
  machine_.clock_synchronised = std::nullopt;
  EXPECT_EQ(check_clock(machine_).verdict, kWarn);
}

TEST_F(MachineChecksTest, OneSlowCoreIsEnoughToWarn) {
  machine_.governors = {{"performance", 3}, {"powersave", 1}};
  EXPECT_EQ(check_governor(machine_).verdict, kWarn);
  EXPECT_EQ(check_governor(machine_).found, "performance on 3, powersave on 1");
  machine_.governors = {{"schedutil", 4}};
  EXPECT_EQ(check_governor(machine_).verdict, kOk);
  machine_.governors.clear();
  EXPECT_EQ(check_governor(machine_).verdict, kOk);
}

TEST_F(MachineChecksTest, SeveralNodesWantBoundWorkersAndOnePageCache) {
  machine_.numa_nodes = 2;
  EXPECT_EQ(check_numa(machine_, broker_).verdict, kWarn);
  EXPECT_EQ(check_numa(machine_, broker_).way_out, "pin.workers = true");
  broker_.pin_workers = true;
  EXPECT_EQ(check_numa(machine_, broker_).verdict, kOk);
  machine_.zone_reclaim_mode = 1;
  EXPECT_THAT(check_numa(machine_, broker_).way_out, HasSubstr("sysctl -w vm.zone_reclaim_mode=0"));
}

}  // namespace
}  // namespace sluice::cli::doctor
