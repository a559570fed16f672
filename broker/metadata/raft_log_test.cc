#include "broker/metadata/raft_log.h"

#include <map>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/sim/simulator.h"

namespace sluice::broker {
namespace {

constexpr const char* kDirectory = "/data/metadata";

std::vector<std::byte> bytes_of(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

/// A group of one.
class RaftLogTest : public ::testing::Test {
 protected:
  io::Loop& control() { return node_.executor().control(); }
  MetadataSubscriber subscriber() {
    return {.apply = [this](uint64_t index, ByteView command) -> Result<> {
              if (refuse_) return fail(*refuse_);
              applied_[index] = as_text(command);
              return {};
            },
            .restore = [this](uint64_t index, ByteView data) -> Result<> {
              restored_ = index;
              snapshot_ = as_text(data);
              return {};
            },
            .snapshot =
                [this] {
                  return [this, text = "state of " + std::to_string(applied_.size())] {
                    encoded_on_ = io::Loop::current();
                    return bytes_of(text);
                  };
                },
            .check = [](ByteView command) -> Result<> {
              if (as_text(command) == "nonsense") return fail(Errc::unsupported);
              return {};
            }};
  }
  Result<> open() {
    applied_.clear();
    auto opened = simulator_.run_on(
        control(), RaftLog::open({.disk = node_.disk(),
                                  .control = control(),
                                  .random = node_.runtime().random,
                                  .log = Logger(sink_),
                                  .subscriber = subscriber(),
                                  .on_failed = [this](const Error& e) { failed_ = e; },
                                  .executor = executor_,
                                  .on_role = [this](bool leads, uint64_t) { leads_ = leads; }},
                                 kDirectory,
                                 {.bootstrap = RaftLog::Bootstrap{{NodeId{1}}},
                                  .snapshot_every_bytes = 4_KiB}));
    if (!opened) return fail(std::move(opened).error());
    log_ = std::move(*opened);
    return {};
  }
  void close() {
    simulator_.run_on(control(), log_->close());
    log_.reset();
  }
  io::Task<void> propose(std::string command, std::optional<Result<>>& outcome) {
    outcome = co_await log_->propose(bytes_of(command));
  }
  Result<> propose(std::string command) {
    std::optional<Result<>> outcome;
    simulator_.run_on(control(), propose(std::move(command), outcome));
    return std::move(*outcome);
  }
  size_t files(std::string_view prefix) {
    size_t count = 0;
    for (const auto& entry : *simulator_.run_on(control(), node_.disk().list(kDirectory))) {
      count += entry.name.starts_with(prefix);
    }
    return count;
  }
  /// As versions without clusters wrote it.
  void write_older(std::vector<std::string> commands) {
    auto opened = simulator_.run_on(control(), Wal::open(node_.disk(), kDirectory, {}));
    WalBatch batch;
    for (const std::string& command : commands) {
      batch.entries.push_back({batch.entries.size() + 1, 1, bytes_of(command)});
    }
    ASSERT_TRUE(simulator_.run_on(control(), opened->wal->append(std::move(batch))));
  }

  NullSink sink_;
  sim::Simulator simulator_{1, {.scheduler = {.offload_delay_max = 1s}}};
  sim::SimNode& node_ = simulator_.add_node("node");
  std::map<uint64_t, std::string> applied_;
  uint64_t restored_ = 0;
  std::string snapshot_;
  std::optional<Error> refuse_;
  std::optional<Error> failed_;
  bool leads_ = false;
  io::Executor* executor_ = nullptr;
  io::Loop* encoded_on_ = nullptr;
  std::unique_ptr<RaftLog> log_;
};

TEST_F(RaftLogTest, AGroupOfOneLeadsWithoutWaitingForATick) {
  const auto before = simulator_.now();
  ASSERT_TRUE(open());
  ASSERT_TRUE(propose("a"));
  EXPECT_LT(simulator_.now() - before, 5ms);
  EXPECT_EQ(log_->leader(), NodeId{1});
  EXPECT_TRUE(leads_);
  close();
}

TEST_F(RaftLogTest, ANewGroupOfOneIsDurableWithOneSyncOfItsLog) {
  int syncs = 0;
  node_.disk().set_observer(
      [&](const sim::DiskCall& call, bool done) { syncs += done && call.op == sim::DiskOp::sync; });
  ASSERT_TRUE(open());
  // Of the file made ready, and of its first frame.
  EXPECT_EQ(syncs, 2);
  close();
}

TEST_F(RaftLogTest, WhatWasAppliedIsAppliedAgainAfterARestart) {
  ASSERT_TRUE(open());
  for (const char* command : {"a", "b", "c"}) ASSERT_TRUE(propose(command));
  const auto before = applied_;
  close();
  ASSERT_TRUE(open());
  EXPECT_EQ(applied_, before);
  EXPECT_EQ(log_->status().term, 3u);
  close();
}

TEST_F(RaftLogTest, ACommandTooLargeForTheLogFailsAlone) {
  ASSERT_TRUE(open());
  node_.disk().set_latency(sim::DiskOp::sync, 5ms, 5ms);
  std::optional<Result<>> first, huge, second;
  simulator_.start_on(control(), propose("first", first));
  // These two come while the first one is under way, so that they could share a commit.
  simulator_.start_on(control(), propose(std::string(kMostCommandBytes + 1, 'x'), huge));
  simulator_.start_on(control(), propose("second", second));
  ASSERT_TRUE(simulator_.run_until([&] { return first && huge && second; }, 10s));
  EXPECT_TRUE(first->has_value());
  EXPECT_EQ(huge->error().code(), Errc::invalid_argument);
  EXPECT_TRUE(second->has_value());
  close();
}

TEST_F(RaftLogTest, ACommandThatNobodyWouldUnderstandDoesNotGetIntoTheLog) {
  ASSERT_TRUE(open());
  const uint64_t last = log_->status().last;
  EXPECT_EQ(propose("nonsense").error(), Errc::unsupported);
  const auto here = simulator_.run_on(control(), log_->propose_here(bytes_of("nonsense")));
  EXPECT_EQ(here.error(), Errc::unsupported);
  EXPECT_EQ(log_->status().last, last);
  close();
}

TEST_F(RaftLogTest, ProposalsThatComeDuringACommitShareTheNext) {
  ASSERT_TRUE(open());
  node_.disk().set_latency(sim::DiskOp::sync, 5ms, 5ms);
  int syncs = 0;
  node_.disk().set_observer(
      [&](const sim::DiskCall& call, bool done) { syncs += done && call.op == sim::DiskOp::sync; });
  std::map<int, std::optional<Result<>>> outcomes;
  for (int i = 0; i < 20; ++i) {
    simulator_.start_on(control(), propose("command " + std::to_string(i), outcomes[i]));
  }
  ASSERT_TRUE(simulator_.run_until([&] { return applied_.size() == 20; }, 10s));
  EXPECT_LE(syncs, 4);
  close();
}

TEST_F(RaftLogTest, ACommandRefusedOnceIsRefusedAgainAndTheLogGoesOn) {
  ASSERT_TRUE(open());
  refuse_ = Error(Errc::topic_exists);
  EXPECT_EQ(propose("a").error().code(), Errc::topic_exists);
  close();
  ASSERT_TRUE(open());
  refuse_.reset();
  EXPECT_TRUE(propose("b"));
  EXPECT_EQ(applied_.size(), 1u);
  close();
}

TEST_F(RaftLogTest, WhatANewerVersionWroteIsNotSkipped) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(propose("a"));
  close();
  refuse_ = Error(Errc::unsupported, "written by a newer version");
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unsupported);
  EXPECT_EQ(refused.error().message(), "metadata entry 3: written by a newer version");
}

TEST_F(RaftLogTest, ASnapshotIsTakenAlsoWhenEachRunWritesLittle) {
  for (int run = 0; run < 5; ++run) {
    ASSERT_TRUE(open());
    ASSERT_TRUE(propose(std::string(1_KiB, 'x')));
    close();
  }
  EXPECT_EQ(files("snapshot-"), 1u);
  ASSERT_TRUE(open());
  EXPECT_GT(restored_, 0u);
  EXPECT_TRUE(propose("after"));
  close();
}

TEST_F(RaftLogTest, TheLogGoesOnWhileASnapshotIsEncoded) {
  executor_ = &node_.executor();
  encoded_on_ = &control();
  ASSERT_TRUE(open());
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(propose(std::string(200, 'a')));
  EXPECT_EQ(encoded_on_, &control()) << "it is still under way";
  EXPECT_EQ(files("snapshot-"), 0U);
  simulator_.run_for(2s);
  EXPECT_EQ(encoded_on_, nullptr);
  EXPECT_EQ(files("snapshot-"), 1U);
  auto all = applied_;
  close();
  ASSERT_TRUE(open());
  // It is of the entry that it says it is of: what came while it was encoded is applied again.
  const auto behind = all.upper_bound(restored_);
  EXPECT_EQ(snapshot_, "state of " + std::to_string(std::distance(all.begin(), behind)));
  EXPECT_EQ(applied_, (std::map(behind, all.end())));
  EXPECT_FALSE(applied_.empty());
  close();
}

TEST_F(RaftLogTest, ALogOfAVersionWithoutClustersBecomesTheSnapshotThatAGroupOfOneBeginsWith) {
  write_older({"a", "b", "c"});
  ASSERT_TRUE(open());
  EXPECT_EQ(applied_, (std::map<uint64_t, std::string>{{1, "a"}, {2, "b"}, {3, "c"}}));
  ASSERT_TRUE(propose("d"));
  EXPECT_EQ(applied_.rbegin()->first, 5u);
  close();
  ASSERT_TRUE(open());
  EXPECT_EQ(restored_, 3u);
  EXPECT_EQ(snapshot_, "state of 3");
  EXPECT_EQ(applied_, (std::map<uint64_t, std::string>{{5, "d"}}));
  EXPECT_EQ(log_->status().voters, std::vector<NodeId>{NodeId{1}});
  close();
}

TEST_F(RaftLogTest, AFullDiskDelaysWhatWasProposedAndRefusesWhatComesThen) {
  ASSERT_TRUE(open());
  node_.disk().fail_all(sim::DiskOp::write, Errc::disk_full);
  std::optional<Result<>> first;
  simulator_.start_on(control(), propose("first", first));
  simulator_.run_for(1s);
  EXPECT_FALSE(first);
  EXPECT_EQ(propose("second").error().code(), Errc::disk_full);
  node_.disk().set_fault({});
  ASSERT_TRUE(simulator_.run_until([&] { return first.has_value(); }, 1s));
  EXPECT_TRUE(first->has_value());
  EXPECT_TRUE(propose("third"));
  close();
}

TEST_F(RaftLogTest, ASnapshotThatFindsNoSpaceLeavesNothingAndIsNotTriedAgainAtOnce) {
  ASSERT_TRUE(open());
  int tries = 0;
  node_.disk().set_fault([&](const sim::DiskCall& call) -> std::optional<Errc> {
    if (call.op != sim::DiskOp::write || !call.path.ends_with(".tmp")) return std::nullopt;
    ++tries;
    return Errc::disk_full;
  });
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(propose(std::to_string(i) + std::string(200, 'x')));
  EXPECT_EQ(tries, 1);
  EXPECT_EQ(files("snapshot-"), 0u);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(propose(std::to_string(i) + std::string(40'000, 'x')));
  EXPECT_EQ(tries, 2);
  node_.disk().set_fault({});
  close();
}

TEST_F(RaftLogTest, AFullDiskDoesNotHoldUpTheEnd) {
  ASSERT_TRUE(open());
  node_.disk().fail_all(sim::DiskOp::write, Errc::disk_full);
  std::optional<Result<>> first;
  simulator_.start_on(control(), propose("first", first));
  close();
  ASSERT_TRUE(simulator_.run_until([&] { return first.has_value(); }, 1s));
  EXPECT_EQ(first->error().code(), Errc::outcome_unknown);
  EXPECT_FALSE(failed_);
}

TEST_F(RaftLogTest, AFailedSyncEndsTheLogAndWhatWasUnderWayIsUnknown) {
  ASSERT_TRUE(open());
  node_.disk().fail_all(sim::DiskOp::sync, Errc::disk_failed);
  EXPECT_EQ(propose("a").error().code(), Errc::outcome_unknown);
  ASSERT_TRUE(failed_);
  EXPECT_EQ(failed_->code(), Errc::disk_failed);
  EXPECT_EQ(propose("b").error().code(), Errc::disk_failed);
  close();
}

TEST_F(RaftLogTest, RefusesProposalsOnceClosed) {
  ASSERT_TRUE(open());
  simulator_.run_on(control(), log_->close());
  EXPECT_EQ(propose("a").error().code(), Errc::shutting_down);
  log_.reset();
}

TEST_F(RaftLogTest, TheOnlyVoterCannotBeRemovedAndHasNobodyToHandOverTo) {
  ASSERT_TRUE(open());
  EXPECT_EQ(simulator_.run_on(control(), log_->remove(NodeId{1})).error().code(),
            Errc::invalid_request);
  EXPECT_EQ(simulator_.run_on(control(), log_->transfer(NodeId{2})).error().code(),
            Errc::invalid_argument);
  EXPECT_EQ(simulator_.run_on(control(), log_->promote(NodeId{2})).error().code(), Errc::not_found);
  close();
}

}  // namespace
}  // namespace sluice::broker
