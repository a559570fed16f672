#include "client/cli/doctor/fit_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/doctor/made_up_machine.h"

namespace sluice::cli::doctor {
namespace {

using ::testing::HasSubstr;

class FitChecksTest : public ::testing::Test {
 protected:
  MachineFacts machine_ = well_kept_machine();
  BrokerSettings broker_ = small_broker();
};

TEST_F(FitChecksTest, AProfileFitsItsMachine) {
  for (const Finding& finding : check_fit(machine_, broker_, 1'000'000)) {
    EXPECT_EQ(finding.verdict, Verdict::ok) << finding.check << ": " << finding.found;
    EXPECT_FALSE(finding.found.empty() || finding.wanted.empty()) << finding.check;
    EXPECT_EQ(finding.way_out, "") << finding.check;
  }
}

TEST_F(FitChecksTest, MemoryIsSharedByBrokerSystemAndPageCache) {
  const MemoryShares shares = share_memory(machine_, broker_);
  EXPECT_EQ(shares.broker, 4_GiB);
  EXPECT_EQ(shares.system, 2_GiB);
  EXPECT_EQ(shares.page_cache, 10_GiB);
  machine_.cgroup.memory_limit = 5_GiB;
  EXPECT_EQ(share_memory(machine_, broker_).page_cache, 5_GiB - 4_GiB - 4_GiB / 10);
  machine_.memory = std::nullopt;
  EXPECT_EQ(share_memory(machine_, broker_).page_cache, 0u);
}

TEST_F(FitChecksTest, ACapThatLeavesTheSystemTooLittleFails) {
  broker_.memory = 14_GiB;
  EXPECT_EQ(check_memory(machine_, broker_).verdict, Verdict::warn);
  broker_.memory = 14_GiB + 1;
  const Finding finding = check_memory(machine_, broker_);
  EXPECT_EQ(finding.verdict, Verdict::fail);
  EXPECT_THAT(finding.wanted, HasSubstr("at most 14 GiB"));
  EXPECT_THAT(finding.way_out, HasSubstr("\"4 GiB\""));
}

TEST_F(FitChecksTest, ACapTooSmallForTheWorkersFails) {
  broker_.memory = 64_MiB;
  EXPECT_EQ(check_memory(machine_, broker_).verdict, Verdict::ok);
  broker_.workers = 100;
  const Finding finding = check_memory(machine_, broker_);
  EXPECT_EQ(finding.verdict, Verdict::fail);
  EXPECT_THAT(finding.wanted, HasSubstr("120 MiB"));
  EXPECT_THAT(finding.way_out, HasSubstr("memory.max = \"192 MiB\", or fewer workers"));
  broker_.memory = 192_MiB;
  EXPECT_EQ(check_memory(machine_, broker_).verdict, Verdict::ok);
  broker_.workers = 0;
  machine_.cores = 512;
  EXPECT_EQ(check_memory(machine_, broker_).verdict, Verdict::fail);
}

TEST_F(FitChecksTest, ACapAbovePageCacheIsWarnedOf) {
  broker_.memory = 7_GiB;
  EXPECT_EQ(check_memory(machine_, broker_).verdict, Verdict::ok);
  broker_.memory = 8_GiB;
  EXPECT_EQ(check_memory(machine_, broker_).verdict, Verdict::warn);
}

TEST_F(FitChecksTest, ACgroupMustHoldTheCapAndATenth) {
  EXPECT_EQ(check_cgroup(machine_, broker_).found, "v2, no limit on memory");
  machine_.cgroup.memory_limit = 8_GiB;
  machine_.cgroup.limit_file = "/sys/fs/cgroup/memory.max";
  EXPECT_EQ(check_cgroup(machine_, broker_).verdict, Verdict::ok);
  EXPECT_EQ(check_cgroup(machine_, broker_).found, "v2, 8 GiB (/sys/fs/cgroup/memory.max)");
  machine_.cgroup.memory_limit = 4_GiB;
  EXPECT_EQ(check_cgroup(machine_, broker_).verdict, Verdict::fail);
  EXPECT_THAT(check_cgroup(machine_, broker_).way_out, HasSubstr("\"1 GiB\""));
}

TEST_F(FitChecksTest, ThePageCacheHoldsAnHourOfWhatIsWritten) {
  const uint64_t an_hour = 10_GiB / kGoalSeconds;
  EXPECT_EQ(check_page_cache(machine_, broker_, an_hour).verdict, Verdict::ok);
  const Finding finding = check_page_cache(machine_, broker_, 50'000'000);
  EXPECT_EQ(finding.verdict, Verdict::warn);
  EXPECT_EQ(finding.found, "10 GiB, that is 214 s of 50 MB/s");
  EXPECT_EQ(finding.wanted, "3,600 s of what is written");
  EXPECT_THAT(finding.way_out, HasSubstr("167.6 GiB of page cache: spread the partitions over 17"));
}

TEST_F(FitChecksTest, WithoutARateItSaysWhichOneFits) {
  const Finding finding = check_page_cache(machine_, broker_, std::nullopt);
  EXPECT_EQ(finding.verdict, Verdict::ok);
  EXPECT_THAT(finding.found, HasSubstr("3,600 s of 3 MB/s"));
  broker_.memory = 16_GiB;
  EXPECT_EQ(check_page_cache(machine_, broker_, std::nullopt).verdict, Verdict::fail);
}

TEST_F(FitChecksTest, DescriptorsAreForClientsAndForFiles) {
  EXPECT_EQ(descriptors_needed(1'000, 10'000), 20'000u);
  EXPECT_EQ(descriptors_needed(19'064, 10'000), 29'320u);
  machine_.open_files->hard = 20'000;
  EXPECT_EQ(check_descriptors(machine_, broker_).verdict, Verdict::ok);
  machine_.open_files->hard = 19'999;
  EXPECT_EQ(check_descriptors(machine_, broker_).verdict, Verdict::warn);
  EXPECT_THAT(check_descriptors(machine_, broker_).way_out, HasSubstr("LimitNOFILE=20000"));
  machine_.open_files->hard = 1'319;
  EXPECT_EQ(check_descriptors(machine_, broker_).verdict, Verdict::fail);
  machine_.open_files_most = 1'024;
  EXPECT_THAT(check_descriptors(machine_, broker_).way_out,
              HasSubstr("sysctl -w fs.nr_open=20000, LimitNOFILE=20000"));
  machine_.open_files->hard = ResourceLimit::kUnlimited;
  EXPECT_EQ(check_descriptors(machine_, broker_).verdict, Verdict::ok);
}

TEST_F(FitChecksTest, PartitionsInUseKeepTheirFilesOpen) {
  broker_.open_files = 6'000;
  EXPECT_EQ(check_open_files(broker_).verdict, Verdict::ok);
  broker_.open_files = 5'999;
  EXPECT_EQ(check_open_files(broker_).verdict, Verdict::warn);
  EXPECT_THAT(check_open_files(broker_).way_out,
              HasSubstr("files.open.max = 6000, or max.partitions = 1999"));
}

TEST_F(FitChecksTest, ALargeBrokerNeedsMoreMapsThanKernelsGive) {
  EXPECT_EQ(maps_needed(2'000, 10'000, 4_GiB), 4'000u + 4'096 + 1'024);
  EXPECT_EQ(maps_needed(2'000, 1'000, 4_GiB), 1'000u + 4'096 + 1'024);
  broker_ = {.memory = 8_GiB, .partitions = 30'000, .open_files = 150'000};
  EXPECT_EQ(check_maps(machine_, broker_).verdict, Verdict::ok) << "fewer are mapped at once";
  broker_.index_maps = 150'000;
  EXPECT_EQ(check_maps(machine_, broker_).verdict, Verdict::warn);
  EXPECT_EQ(check_maps(machine_, broker_).way_out, "sysctl -w vm.max_map_count=262144");
  machine_.max_map_count = 262'144;
  EXPECT_EQ(check_maps(machine_, broker_).verdict, Verdict::ok);
}

TEST_F(FitChecksTest, TheBacklogHoldsClientsThatAllComeBack) {
  machine_.listen_backlog = 128;
  EXPECT_EQ(check_backlog(machine_).verdict, Verdict::warn);
  EXPECT_THAT(check_backlog(machine_).way_out, HasSubstr("sysctl -w net.core.somaxconn=4096"));
  machine_.listen_backlog = 65'535;
  EXPECT_EQ(check_backlog(machine_).verdict, Verdict::ok);
}

TEST_F(FitChecksTest, WhatIsNotToldIsNoOk) {
  const MachineFacts silent;
  for (const Finding& finding : {check_memory(silent, broker_), check_maps(silent, broker_),
                                 check_page_cache(silent, broker_, 1), check_backlog(silent),
                                 check_descriptors(silent, broker_)}) {
    EXPECT_EQ(finding.verdict, Verdict::warn) << finding.check;
    EXPECT_EQ(finding.found, "not known");
  }
}

}  // namespace
}  // namespace sluice::cli::doctor
