#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "broker/metadata/raft_log.h"
#include "tests/support/raft_group.h"

namespace sluice::broker {
namespace {

const NodeId kOne{1}, kTwo{2}, kThree{3};
const std::vector<NodeId> kAll = {kOne, kTwo, kThree};

NodeId other_than(NodeId id) { return id == kOne ? kTwo : kOne; }

/// A second and a third voter come to a group of one, as `sluice cluster join` would do it.
void grow(RaftGroup& group) {
  for (const NodeId id : {kTwo, kThree}) {
    group.start(id);
    ASSERT_TRUE(group.ask(kOne, &RaftLog::add_learner, id));
    ASSERT_TRUE(group.until([&] { return group.agree(); }));
    ASSERT_TRUE(group.until([&] { return group.ask(kOne, &RaftLog::promote, id).has_value(); }));
  }
}

TEST(RaftLogGroup, WhatAnyNodeProposesIsAppliedByThatNodeWhenItIsDone) {
  RaftGroup group(1);
  group.start_all(kAll);
  for (const NodeId id : kAll) {
    const std::string command = "of " + std::to_string(id.value());
    ASSERT_TRUE(group.propose(id, command));
    EXPECT_TRUE(group.at(id).seen.contains(command));
  }
  EXPECT_TRUE(group.until([&] { return group.agree(); }));
  EXPECT_EQ(group.at(kOne).commands.size(), 3u);
}

TEST(RaftLogGroup, ALeaderIsOneOnlyAfterItAppliedTheFirstEntryOfItsTerm) {
  RaftGroup group(2);
  group.start_all(kAll);
  const NodeId first = *group.leader();
  ASSERT_TRUE(group.propose(first, "a"));
  group.kill(first);
  const auto second = group.leader();
  ASSERT_TRUE(second);
  // The start, the first leader's entry, the command, its own entry.
  EXPECT_GE(group.at(*second).applied_when_leading, 4u);
}

TEST(RaftLogGroup, ALeaderKnowsUntilWhenMostCountedOnIt) {
  RaftGroup group(21);
  group.start_all(kAll);
  const NodeId leader = *group.leader();
  const auto agreed = [&] { return group.log(leader).status().agreed_at; };
  group.simulator().run_for(1s);
  const TimePoint before = group.loop(leader).now();
  EXPECT_GT(agreed(), before - 250ms);
  group.cut_off(leader);
  group.simulator().run_for(400ms);
  EXPECT_TRUE(group.at(leader).leads);
  EXPECT_LE(agreed(), before);
  // One other is most of three.
  group.heal();
  const NodeId other = other_than(leader);
  for (const NodeId id : kAll) {
    if (id != leader && id != other) group.cut_off(id);
  }
  group.simulator().run_for(400ms);
  EXPECT_TRUE(group.at(leader).leads);
  EXPECT_GT(agreed(), before);
}

TEST(RaftLogGroup, AKilledLeaderIsReplacedWithinTwoSecondsAndCatchesUpWhenItComesBack) {
  RaftGroup group(3);
  group.start_all(kAll);
  const NodeId first = *group.leader();
  ASSERT_TRUE(group.propose(first, "before"));
  group.kill(first);
  ASSERT_TRUE(group.leader(2s));
  ASSERT_TRUE(group.propose(other_than(first), "after"));
  group.start(first);
  EXPECT_TRUE(group.until([&] { return group.agree(); }));
  EXPECT_EQ(group.at(first).commands, (std::vector<std::string>{"before", "after"}));
}

TEST(RaftLogGroup, AProposalUnderWayWhenTheLeaderDiesGetsThroughOnce) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::optional<Result<>> outcome;
    RaftGroup group(seed);
    group.start_all(kAll);
    const NodeId first = *group.leader();
    group.propose(other_than(first), "a", outcome);
    group.simulator().run_for(std::chrono::microseconds(500 * seed));
    group.kill(first);
    ASSERT_TRUE(group.until([&] { return outcome.has_value(); }));
    EXPECT_TRUE(outcome->has_value()) << seed << outcome->error().message();
    EXPECT_EQ(group.at(other_than(first)).commands, std::vector<std::string>{"a"});
  }
}

TEST(RaftLogGroup, ProposalsGetThroughOnceEachAlsoWhenAThirdOfAllMessagesIsLost) {
  std::deque<std::optional<Result<>>> outcomes;
  RaftGroup group(4);
  group.start_all(kAll);
  group.lost_percent = 33;
  for (int i = 0; i < 60; ++i) {
    group.propose(kAll[static_cast<size_t>(i) % 3], "command " + std::to_string(i),
                  outcomes.emplace_back());
    group.simulator().run_for(20ms);
  }
  ASSERT_TRUE(group.until(
      [&] { return std::ranges::all_of(outcomes, [](const auto& o) { return o.has_value(); }); },
      20s));
  const auto done = std::ranges::count_if(outcomes, [](const auto& o) { return o->has_value(); });
  EXPECT_GT(done, 50);
  group.lost_percent = 0;
  ASSERT_TRUE(group.until([&] { return group.agree(); }));
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (!*outcomes[i]) continue;
    EXPECT_TRUE(group.at(kOne).seen.contains("command " + std::to_string(i)));
  }
}

TEST(RaftLogGroup, WithoutAMajorityAProposalEndsUnknownAndNobodySaysItWasDone) {
  RaftGroup group(5);
  group.start_all(kAll);
  const NodeId leader = *group.leader();
  for (const NodeId id : kAll) {
    if (id != leader) group.kill(id);
  }
  EXPECT_EQ(group.propose(leader, "a").error().code(), Errc::outcome_unknown);
  EXPECT_TRUE(group.at(leader).commands.empty());
  EXPECT_FALSE(group.at(leader).leads);
  EXPECT_EQ(group.propose(leader, "b").error().code(), Errc::not_controller);
}

TEST(RaftLogGroup, AGroupOfOneGrowsToThreeWithoutDataCopiedByHand) {
  RaftGroup group(6);
  group.start(kOne, {kOne});
  ASSERT_TRUE(group.leader());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(group.propose(kOne, "early " + std::to_string(i)));
  grow(group);
  EXPECT_TRUE(group.until([&] { return group.log(kThree).status().voters == kAll; }));
  EXPECT_EQ(group.at(kThree).commands.size(), 30u);
  group.kill(kOne);
  ASSERT_TRUE(group.leader());
  EXPECT_TRUE(group.propose(kTwo, "without the first"));
}

TEST(RaftLogGroup, WhoVotesOutlivesRestartsAndSnapshots) {
  RaftGroup group(7);
  group.snapshot_every_bytes = 2_KiB;
  group.start(kOne, {kOne});
  ASSERT_TRUE(group.leader());
  grow(group);
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(group.propose(kTwo, "command " + std::to_string(i) + std::string(100, 'x')));
  }
  for (const NodeId id : kAll) group.stop(id);
  for (const NodeId id : kAll) group.start(id, {kOne});
  EXPECT_EQ(group.log(kOne).status().voters, kAll);
  ASSERT_TRUE(group.leader());
  EXPECT_TRUE(group.propose(kThree, "after"));
}

TEST(RaftLogGroup, ALearnerThatLagsFarBehindGetsASnapshot) {
  RaftGroup group(8);
  group.snapshot_every_bytes = 16_KiB;
  group.start(kOne, {kOne});
  ASSERT_TRUE(group.leader());
  group.start(kTwo);
  ASSERT_TRUE(group.ask(kOne, &RaftLog::add_learner, kTwo));
  ASSERT_TRUE(group.until([&] { return group.agree(); }));
  group.cut_off(kTwo);
  for (int i = 0; i < 1500; ++i) ASSERT_TRUE(group.propose(kOne, std::to_string(i)));
  EXPECT_EQ(group.ask(kOne, &RaftLog::promote, kTwo).error().code(), Errc::recovering);
  group.at(kTwo).restored = 0;
  group.heal();
  EXPECT_TRUE(group.until([&] { return group.agree(); }, 30s));
  EXPECT_GT(group.at(kTwo).restored, 0u);
}

TEST(RaftLogGroup, ARemovedVoterIsNotNeededAnyMoreAndDisturbsNobody) {
  RaftGroup group(9);
  group.start_all(kAll);
  const NodeId leader = *group.leader();
  const NodeId gone = other_than(leader);
  EXPECT_EQ(group.ask(leader, &RaftLog::remove, leader).error().code(), Errc::invalid_request);
  ASSERT_TRUE(group.ask(leader, &RaftLog::remove, gone));
  EXPECT_EQ(group.log(leader).status().voters.size(), 2u);
  const uint64_t term = group.log(leader).status().term;
  group.simulator().run_for(10s);
  EXPECT_EQ(group.log(leader).status().term, term);
  EXPECT_TRUE(group.propose(leader, "a"));
}

TEST(RaftLogGroup, HandsLeadershipOverWhenAsked) {
  RaftGroup group(10);
  group.start_all(kAll);
  const NodeId leader = *group.leader();
  const NodeId next = other_than(leader);
  EXPECT_EQ(group.ask(next, &RaftLog::transfer, leader).error().code(), Errc::not_controller);
  ASSERT_TRUE(group.ask(leader, &RaftLog::transfer, next));
  ASSERT_TRUE(group.until([&] { return group.at(next).leads; }, 1s));
  EXPECT_FALSE(group.at(leader).leads);
  EXPECT_TRUE(group.propose(leader, "a"));
}

TEST(RaftLogGroup, ALeaderWithASlowDiskGoesOnLeading) {
  RaftGroup group(11);
  group.start_all(kAll);
  const NodeId leader = *group.leader();
  const uint64_t term = group.log(leader).status().term;
  group.at(leader).node->disk().set_latency(sim::DiskOp::sync, 800ms, 800ms);
  ASSERT_TRUE(group.propose(leader, "a"));
  group.simulator().run_for(5s);
  EXPECT_EQ(group.log(leader).status().term, term);
  EXPECT_TRUE(group.at(leader).leads);
}

TEST(RaftLogGroup, AFollowerAcknowledgesWhatIsOnItsDiskAndNothingBefore) {
  std::optional<Result<>> outcome;
  RaftGroup group(12);
  group.start_all(kAll);
  const NodeId leader = *group.leader();
  const NodeId slow = other_than(leader);
  group.simulator().run_for(1s);
  const uint64_t term = group.log(leader).status().term;
  group.kill(NodeId{6 - leader.value() - slow.value()});
  group.at(slow).node->disk().set_latency(sim::DiskOp::sync, 2s, 2s);
  group.propose(leader, "a", outcome);
  group.simulator().run_for(1900ms);
  EXPECT_FALSE(outcome);
  ASSERT_TRUE(group.until([&] { return outcome.has_value(); }, 500ms));
  EXPECT_TRUE(outcome->has_value());
  // Meanwhile it went on answering, and the leader leading.
  EXPECT_EQ(group.log(leader).status().term, term);
}

/// A leader whose device does not take what it writes any more.
class StuckLeader : public ::testing::Test {
 protected:
  StuckLeader() {
    group.start_all(kAll);
    first = *group.leader();
  }
  ~StuckLeader() override {
    for (const NodeId id : kAll) disk(id).set_fault({});
  }
  sim::SimDisk& disk(NodeId id) { return group.at(id).node->disk(); }
  void expect_another_takes_over() {
    group.propose(first, "a", outcome);
    EXPECT_TRUE(group.until(
        [&] {
          const auto leader = group.leads_now();
          return leader && *leader != first && !group.at(first).leads;
        },
        5s));
    EXPECT_TRUE(group.propose(other_than(first), "b"));
  }
  /// Of what is on its way when the group ends.
  std::optional<Result<>> outcome;
  RaftGroup group{31};
  NodeId first{-1};
};

TEST_F(StuckLeader, ALeaderWithoutSpaceHandsOver) {
  disk(first).fail_all(sim::DiskOp::write, Errc::disk_full);
  expect_another_takes_over();
  EXPECT_TRUE(group.log(first).stuck());
  disk(first).set_fault({});
  EXPECT_TRUE(group.until([&] { return group.agree() && !group.log(first).stuck(); }));
}

TEST_F(StuckLeader, ALeaderWhoseDeviceDoesNotAnswerHandsOver) {
  disk(first).set_latency(sim::DiskOp::sync, 20s, 20s);
  expect_another_takes_over();
  disk(first).set_latency(sim::DiskOp::sync, 1ms, 1ms);
  EXPECT_TRUE(group.until([&] { return group.agree(); }, 60s));
}

TEST_F(StuckLeader, NobodyIsElectedWhereNobodyHasSpace) {
  for (const NodeId id : kAll) disk(id).fail_all(sim::DiskOp::write, Errc::disk_full);
  group.propose(first, "a", outcome);
  const uint64_t term = group.log(first).status().term;
  group.simulator().run_for(8s);
  for (const NodeId id : kAll) EXPECT_EQ(group.log(id).status().term, term);
  for (const NodeId id : kAll) disk(id).set_fault({});
  EXPECT_TRUE(group.until([&] { return outcome && group.agree(); }));
  EXPECT_TRUE(outcome->has_value());
}

/// Kills, restarts, cuts and losses; what was acknowledged stays, and all agree in the end.
void run_chaos(uint64_t seed) {
  std::deque<std::pair<std::string, std::optional<Result<>>>> proposals;
  RaftGroup group(seed);
  group.snapshot_every_bytes = 4_KiB;
  group.start_all(kAll);
  Random& random = group.simulator().random();
  for (int round = 0; round < 30; ++round) {
    group.lost_percent = random.below(30);
    for (int i = 0; i < 5; ++i) {
      const NodeId from = kAll[random.below(3)];
      auto& [command, outcome] = proposals.emplace_back();
      command = std::to_string(round) + "/" + std::to_string(i) + std::string(50, 'x');
      group.propose(from, command, outcome);
      group.simulator().run_for(std::chrono::milliseconds(random.below(100)));
    }
    const NodeId victim = kAll[random.below(3)];
    if (random.one_in(2)) {
      group.kill(victim);
      group.simulator().run_for(std::chrono::milliseconds(random.below(2000)));
      group.start(victim);
    } else {
      group.cut_off(victim);
      group.simulator().run_for(std::chrono::milliseconds(random.below(2000)));
      group.heal();
    }
  }
  group.lost_percent = 0;
  const auto answered = [&] {
    return std::ranges::all_of(proposals, [](const auto& p) { return p.second.has_value(); });
  };
  ASSERT_TRUE(group.until(answered, 30s)) << "seed " << seed;
  ASSERT_TRUE(group.leader()) << "seed " << seed;
  ASSERT_TRUE(group.propose(kOne, "last")) << "seed " << seed;
  ASSERT_TRUE(group.until([&] { return group.agree(); })) << "seed " << seed;
  size_t done = 0;
  for (const auto& [command, outcome] : proposals) {
    if (!*outcome) continue;
    ++done;
    EXPECT_TRUE(group.at(kOne).seen.contains(command)) << "seed " << seed << " " << command;
  }
  EXPECT_GT(done, proposals.size() / 2);
}

TEST(RaftLogGroup, WhatWasAcknowledgedStaysThroughKillsCutsAndLosses) {
  for (uint64_t seed = 1; seed <= 8 && !HasFailure(); ++seed) run_chaos(seed);
}

}  // namespace
}  // namespace sluice::broker
