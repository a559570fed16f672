#include "broker/metadata/one_voter_log.h"

#include <map>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/sim/simulator.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

class OneVoterLogTest : public ::testing::Test {
 protected:
  io::Loop& control() { return node_.executor().control(); }
  Result<> open() {
    applied_.clear();
    MetadataSubscriber subscriber{.apply = [this](uint64_t index, ByteView command) -> Result<> {
                                    applied_[index] = as_text(command);
                                    if (refuse_) return fail(*refuse_);
                                    return {};
                                  },
                                  .restore = [](uint64_t, ByteView) { return Result<>{}; },
                                  .snapshot = [] { return std::vector<std::byte>(10); }};
    auto opened = simulator_.run_on(
        control(), OneVoterLog::open({node_.disk(), control(), Logger(sink_), std::move(subscriber),
                                      [](const Error&) {}},
                                     "/data/metadata", {.snapshot_every_bytes = 4_KiB}));
    if (!opened) return fail(std::move(opened).error());
    log_ = std::move(*opened);
    return {};
  }
  void close() {
    simulator_.run_on(control(), log_->close());
    log_.reset();
  }
  io::Task<void> propose(size_t bytes, std::optional<Result<>>& outcome) {
    outcome = co_await log_->propose(std::vector<std::byte>(bytes, std::byte{'x'}));
  }
  Result<> propose(size_t bytes) {
    std::optional<Result<>> outcome;
    simulator_.run_on(control(), propose(bytes, outcome));
    return std::move(*outcome);
  }
  size_t snapshots() {
    size_t count = 0;
    for (const auto& entry : *simulator_.run_on(control(), node_.disk().list("/data/metadata"))) {
      count += entry.name.starts_with("snapshot-");
    }
    return count;
  }

  NullSink sink_;
  sim::Simulator simulator_{1};
  sim::SimNode& node_ = simulator_.add_node("node");
  std::map<uint64_t, std::string> applied_;
  std::optional<Error> refuse_;
  std::unique_ptr<OneVoterLog> log_;
};

TEST_F(OneVoterLogTest, ACommandTooLargeForTheLogFailsAlone) {
  ASSERT_TRUE(open());
  node_.disk().set_latency(sim::DiskOp::sync, 5ms, 5ms);
  std::optional<Result<>> first, huge, second;
  simulator_.start_on(control(), propose(10, first));
  // These two come while the first one is under way, so that they could share a commit.
  simulator_.start_on(control(), propose(65_MiB, huge));
  simulator_.start_on(control(), propose(10, second));
  ASSERT_TRUE(simulator_.run_until([&] { return first && huge && second; }, 10s));
  EXPECT_TRUE(first->has_value());
  EXPECT_EQ(huge->error().code(), Errc::invalid_argument);
  EXPECT_TRUE(second->has_value());
  close();
}

TEST_F(OneVoterLogTest, ACommandRefusedOnceIsRefusedAgainAndTheLogGoesOn) {
  ASSERT_TRUE(open());
  refuse_ = Error(Errc::topic_exists);
  EXPECT_EQ(propose(10).error().code(), Errc::topic_exists);
  close();
  ASSERT_TRUE(open());
  EXPECT_EQ(applied_.size(), 1u);
  close();
}

TEST_F(OneVoterLogTest, WhatANewerVersionWroteIsNotSkipped) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(propose(10));
  close();
  refuse_ = Error(Errc::unsupported, "written by a newer version");
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unsupported);
  EXPECT_EQ(refused.error().message(), "metadata entry 1: written by a newer version");
}

TEST_F(OneVoterLogTest, ASnapshotIsTakenAlsoWhenEachRunWritesLittle) {
  for (int run = 0; run < 5; ++run) {
    ASSERT_TRUE(open());
    ASSERT_TRUE(propose(1_KiB));
    close();
  }
  EXPECT_EQ(snapshots(), 1u);
}

}  // namespace
}  // namespace sluice::broker
