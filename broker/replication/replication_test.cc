#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/replication_world.h"

namespace sluice::broker {
namespace {

using testing::ReplicationWorld;
using Values = std::vector<std::string>;

TEST(Replication, AllAcksWaitForTheFollowersInSync) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  const auto answer = world.produce(1, "one");
  ASSERT_TRUE(answer->good());
  EXPECT_EQ(answer->result->receipt.replicas, 3);
  EXPECT_EQ(world.values(2), Values{"one"});
  EXPECT_EQ(world.values(3), Values{"one"});
}

TEST(Replication, AFollowerThatIsCutOffIsWaitedForUntilItIsDroppedAndJoinsAgainCaughtUp) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.cut_off(3);
  EXPECT_EQ(world.produce(1, "two")->code(), Errc::timed_out);
  EXPECT_TRUE(world.until([&] { return world.in_sync_is({1, 2}); }, 15s));
  ASSERT_TRUE(world.produce(1, "three")->good());
  world.reconnect(3);
  EXPECT_TRUE(world.until([&] { return world.in_sync_is({1, 2, 3}); }, 15s));
  EXPECT_EQ(world.values(3), (Values{"one", "two", "three"}));
}

TEST(Replication, AFollowerWhoseDiskIsFullIsNotWaitedForAndJoinsAgainWhenThereIsRoom) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  auto& disk = world.broker(3).machine->disk();
  disk.fail_all(sim::DiskOp::write, Errc::disk_full);
  const auto waits = world.begin(1, "two");
  EXPECT_TRUE(world.until([&] { return waits->good(); }, 100ms));
  EXPECT_TRUE(world.in_sync_is({1, 2}));
  world.simulator().run_for(3s);
  EXPECT_TRUE(world.in_sync_is({1, 2}));
  disk.set_fault({});
  EXPECT_TRUE(world.until([&] { return world.in_sync_is({1, 2, 3}); }, 3s));
  EXPECT_TRUE(world.same_logs({1, 2, 3}));
}

TEST(Replication, AFollowerWhoseDirectoryWentOfflineIsNotWaitedFor) {
  ReplicationWorld world;
  world.create({1, 2, 3}, {{"flush", "every"}});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.broker(3).machine->disk().fail_all(sim::DiskOp::sync, Errc::disk_failed);
  const auto waits = world.begin(1, "two");
  EXPECT_TRUE(world.until([&] { return waits->good(); }, 100ms));
  EXPECT_TRUE(world.in_sync_is({1, 2}));
  EXPECT_EQ(world.image().damaged, std::vector{NodeId{3}});
}

TEST(Replication, AFollowerOfWhichItsLeaderHeardWronglyIsHeardAgainThoughNothingIsWritten) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  const auto end_of_2 = [&] {
    for (const auto& each : world.partition(1)->followers(TimePoint{})) {
      if (each.node == NodeId{2}) return each.log_end;
    }
    return Offset{-1};
  };
  ASSERT_TRUE(world.until([&] { return end_of_2() == Offset{1}; }, 1s));
  // As a request that a dead connection held back would have it.
  world.partition(1)->follower_fetched({.replica = {.node = NodeId{2}, .broker_epoch = 1},
                                        .offset = Offset{0},
                                        .synced_end = Offset{0},
                                        .log_start = Offset{0},
                                        .leader_epoch = world.partition(1)->leadership().epoch,
                                        .last_epoch = {}},
                                       world.broker(1).machine->executor().worker(0).now());
  ASSERT_EQ(end_of_2(), Offset{0});
  EXPECT_TRUE(world.until([&] { return end_of_2() == Offset{1}; }, 5s));
  world.simulator().run_for(15s);
  EXPECT_TRUE(world.in_sync_is({1, 2, 3}));
}

TEST(Replication, FollowersLearnOfTheHighWatermarkSoon) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  const auto knows = [&] { return world.partition(2)->high_watermark() == Offset{1}; };
  EXPECT_TRUE(world.until(knows, 20ms));
  EXPECT_EQ(world.log(2).high_watermark(), Offset{1});
}

TEST(Replication, NewsOfTheHighWatermarkGoWithTheNextRecords) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "first")->good());
  size_t answers = 0;
  size_t without_records = 0;
  world.on_payload = [&](NodeId, MutableBytes payload) {
    ++answers;
    without_records += payload.empty() ? 1 : 0;
  };
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(world.produce(1, std::to_string(i))->good());
  EXPECT_GE(answers, 40U);
  EXPECT_LE(without_records, 2U);
}

TEST(Replication, ANewLeaderKeepsWhatIsCommittedAndTheOldOneCutsWhatOnlyItHad) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "committed")->good());
  world.cut_off(1);
  ASSERT_TRUE(world.produce(1, "lost", Acks::leader)->good());
  ASSERT_TRUE(world.produce(1, "lost too", Acks::leader)->good());
  world.elect(2, {2, 3});
  ASSERT_TRUE(world.produce(2, "new")->good());
  EXPECT_EQ(world.values(1), (Values{"committed", "lost", "lost too"}));
  world.reconnect(1);
  EXPECT_TRUE(world.until([&] { return world.in_sync_is({1, 2, 3}); }));
  EXPECT_EQ(world.values(1), (Values{"committed", "new"}));
  EXPECT_TRUE(world.same_logs({1, 2, 3}));
}

TEST(Replication, WhatWaitsAtALeaderThatIsDeposedIsNotAcknowledged) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.cut_off(1);
  const auto waits = world.begin(1, "lost", Acks::all, 60s);
  world.simulator().run_for(100ms);
  world.elect(2, {2, 3});
  ASSERT_TRUE(world.produce(2, "two")->good());
  world.reconnect(1);
  EXPECT_TRUE(world.until([&] { return waits->result.has_value(); }));
  EXPECT_EQ(waits->code(), Errc::outcome_unknown);
  EXPECT_EQ(waits->result->leadership->leader, NodeId{2});
}

TEST(Replication, LogsBecomeOneAfterEveryBrokerLedAloneForAWhile) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "a")->good());
  for (const int32_t leader : {2, 3, 1, 3, 2}) {
    const int32_t before = world.image().leader.value();
    world.cut_off(before);
    // Epochs without a record, and records that nobody else gets.
    if (before != 3) ASSERT_TRUE(world.produce(before, "lost", Acks::leader)->good());
    const int32_t other = 6 - before - leader;
    world.elect(leader, {leader, other});
    ASSERT_TRUE(world.produce(leader, "by " + std::to_string(leader))->good());
    world.reconnect(before);
    ASSERT_TRUE(world.until([&] { return world.in_sync_is({1, 2, 3}); }));
  }
  EXPECT_EQ(world.values(1), (Values{"a", "by 2", "by 3", "by 1", "by 3", "by 2"}));
  EXPECT_TRUE(world.same_logs({1, 2, 3}));
}

TEST(Replication, ANewLeaderServesNoReaderUntilItKnowsWhatIsCommitted) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.cut_off(3);
  ASSERT_TRUE(world.produce(1, "two", Acks::leader)->good());
  ASSERT_TRUE(world.until([&] { return world.log(2).ends().end == Offset{2}; }));
  world.cut_off(1);
  world.elect(2, {2, 3});
  world.simulator().run_for(100ms);
  EXPECT_EQ(world.partition(2)->check_readable({}).error().code(), Errc::offset_not_available);
  EXPECT_TRUE(world.partition(2)->check_leader({}).has_value());
  world.reconnect(3);
  EXPECT_TRUE(world.until([&] { return world.partition(2)->check_readable({}).has_value(); }));
  EXPECT_EQ(world.partition(2)->high_watermark(), Offset{2});
}

TEST(Replication, ANewLeaderThatCannotCommitServesWhatItKnowsToBeCommitted) {
  ReplicationWorld world;
  world.create({1, 2, 3}, {{"min.insync.replicas", "2"}});
  ASSERT_TRUE(world.produce(1, "one")->good());
  ASSERT_TRUE(world.until([&] { return world.partition(2)->high_watermark() == Offset{1}; }));
  world.cut_off(3);
  ASSERT_TRUE(world.produce(1, "two", Acks::leader)->good());
  ASSERT_TRUE(world.until([&] { return world.log(2).ends().end == Offset{2}; }));
  world.cut_off(1);
  world.elect(2, {2});
  const auto answer = world.begin_fetch(2);
  ASSERT_TRUE(world.until([&] { return !answer->empty(); }));
  EXPECT_FALSE(answer->front().error);
  EXPECT_GT(answer->front().slice.length, 0u);
  EXPECT_EQ(answer->front().bound, Offset{1});
  EXPECT_EQ(answer->front().high_watermark, Offset{-1});
  EXPECT_EQ(world.partition(2)->check_readable({}).error().code(), Errc::offset_not_available);
}

TEST(Replication, WhoLedWithoutKnowingWhatIsCommittedSpeaksAgainAsAFollower) {
  ReplicationWorld world;
  world.create({1, 2, 3}, {{"min.insync.replicas", "2"}});
  world.cut_off(3);
  ASSERT_TRUE(world.produce(1, "one", Acks::leader)->good());
  ASSERT_TRUE(world.until([&] { return world.log(2).ends().end == Offset{1}; }));
  world.cut_off(1);
  world.elect(2, {2});
  ASSERT_FALSE(world.partition(2)->knows_committed());
  world.elect(1, {1, 2});
  EXPECT_TRUE(world.until([&] { return world.partition(2)->knows_committed(); }));
}

TEST(Replication, WithTooFewInSyncAProduceForAllIsRefusedBeforeTheAppend) {
  ReplicationWorld world;
  world.create({1, 2, 3}, {{"min.insync.replicas", "2"}});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.cut_off(2);
  world.cut_off(3);
  world.begin(1, "two");
  ASSERT_TRUE(world.until([&] { return world.in_sync_is({1}); }, 15s));
  world.simulator().run_for(1ms);
  EXPECT_EQ(world.produce(1, "three")->code(), Errc::not_enough_replicas);
  EXPECT_EQ(world.log(1).ends().end, Offset{2});
  EXPECT_EQ(world.partition(1)->high_watermark(), Offset{1});
  EXPECT_TRUE(world.produce(1, "four", Acks::leader)->good());
  world.reconnect(2);
  EXPECT_TRUE(world.until([&] { return world.in_sync_is({1, 2}); }, 15s));
  world.simulator().run_for(1ms);
  EXPECT_TRUE(world.produce(1, "five")->good());
}

TEST(Replication, WhereTheTopicFlushesAnAcknowledgementMeansEveryDevice) {
  ReplicationWorld world;
  world.create({1, 2, 3}, {{"flush", "every"}});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.broker(2).machine->disk().set_latency(sim::DiskOp::sync, 50ms, 50ms);
  const auto answer = world.begin(1, "two");
  EXPECT_FALSE(world.until([&] { return answer->result.has_value(); }, 49ms));
  EXPECT_EQ(world.log(2).ends().end, Offset{2});
  ASSERT_TRUE(world.until([&] { return answer->result.has_value(); }, 100ms));
  EXPECT_EQ(answer->result->receipt.synced_replicas, 3);
  EXPECT_EQ(answer->result->receipt.level, Receipt::Level::synced);
}

TEST(Replication, WhatADeposedLeaderHadNotFlushedItFlushesAsAFollower) {
  ReplicationWorld world;
  world.create({1, 2, 3}, {{"flush", "every"}});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.broker(1).machine->disk().set_latency(sim::DiskOp::sync, 50ms, 50ms);
  world.begin(1, "is being flushed");
  world.simulator().run_for(1ms);
  world.begin(1, "waits for the next flush");
  ASSERT_TRUE(world.until([&] { return world.log(2).ends().synced_end == Offset{3}; }, 40ms));
  world.elect(2, {1, 2, 3});
  EXPECT_TRUE(world.until([&] { return world.partition(2)->check_readable({}).has_value(); }));
  EXPECT_EQ(world.partition(2)->high_watermark(), Offset{3});
}

TEST(Replication, ALeaderThatCouldNotBeginTriesAgain) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.cut_off(1);
  world.broker(2).machine->disk().fail_all(sim::DiskOp::open, Errc::disk_full);
  world.elect(2, {2, 3});
  world.simulator().run_for(10ms);
  EXPECT_NE(world.partition(2)->leadership().leader, NodeId{2});
  EXPECT_TRUE(world.broker(2).table.failure_of(world.key));
  world.broker(2).machine->disk().set_fault({});
  const auto leads = [&] { return world.partition(2)->leadership().leader == NodeId{2}; };
  EXPECT_FALSE(world.until(leads, 80ms));
  EXPECT_TRUE(world.until(leads, 20ms));
  EXPECT_TRUE(world.produce(2, "two")->good());
}

TEST(Replication, ALeaderThatCannotBeginSaysSoAndAnotherLeads) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.cut_off(1);
  world.broker(2).machine->disk().fail_all(sim::DiskOp::open, Errc::disk_full);
  world.elect(2, {2, 3});
  const auto third_leads = [&] {
    return world.image().leader == NodeId{3} &&
           world.partition(3)->leadership().leader == NodeId{3};
  };
  EXPECT_TRUE(world.until(third_leads));
  world.broker(2).machine->disk().set_fault({});
  EXPECT_TRUE(world.produce(3, "two")->good());
  EXPECT_TRUE(world.until([&] { return world.in_sync_is({2, 3}); }, 20s));
  EXPECT_EQ(world.values(2), (Values{"one", "two"}));
}

TEST(Replication, FollowersRecordANewEpochInManyLogsAtOnce) {
  constexpr int32_t kPartitions = 40;
  ReplicationWorld world;
  world.create({1, 2, 3}, {}, kPartitions);
  for (const int32_t id : {1, 2}) {
    ASSERT_TRUE(world.until([&] { return world.broker(id).table.size() == kPartitions; }));
  }
  world.broker(2).machine->disk().set_latency(sim::DiskOp::sync, 10ms, 10ms);
  for (int32_t i = 0; i < kPartitions; ++i) world.begin(1, "first", Acks::leader, 3s, i);
  const auto has_all = [&] {
    return std::ranges::all_of(world.broker(2).table.all(),
                               [](const auto& p) { return p->log().ends().end == Offset{1}; });
  };
  EXPECT_TRUE(world.until(has_all, 200ms));
}

TEST(Replication, WhatIsReadWhileTheLeadershipChangesIsNotAnswered) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.broker(1).machine->disk().set_latency(sim::DiskOp::read, 50ms, 50ms);
  const auto answer = world.begin_fetch(1, 2);
  world.simulator().run_for(1ms);
  ASSERT_TRUE(answer->empty());
  world.elect(2, {1, 2, 3});
  world.elect(1, {1, 2, 3});
  ASSERT_TRUE(world.until([&] { return !answer->empty(); }));
  ASSERT_TRUE(answer->front().error);
  EXPECT_EQ(answer->front().error->code(), Errc::fenced_leader_epoch);
}

TEST(Replication, ABatchThatChangedOnItsWayIsFetchedAgainAndNeverAppended) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  int damaged = 0;
  world.on_payload = [&](NodeId follower, MutableBytes payload) {
    if (follower != NodeId{2} || payload.empty() || damaged == 1) return;
    payload.back() ^= std::byte{1};
    ++damaged;
  };
  const auto answer = world.produce(1, "one");
  EXPECT_TRUE(answer->good());
  EXPECT_EQ(damaged, 1);
  EXPECT_EQ(world.values(2), Values{"one"});
}

TEST(Replication, AReplicaThatGetsOnlyBadBatchesRestsAndSaysSo) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  bool damages = true;
  int tries = 0;
  world.on_payload = [&](NodeId follower, MutableBytes payload) {
    if (!damages || follower != NodeId{2} || payload.empty()) return;
    payload.back() ^= std::byte{1};
    ++tries;
  };
  const auto answer = world.begin(1, "one", Acks::all, 60s);
  world.simulator().run_for(3s);
  EXPECT_NE(world.partition(2)->status().problem.find("does not follow"), std::string::npos);
  EXPECT_LT(tries, 20);
  EXPECT_EQ(world.log(2).ends().end, Offset{0});
  damages = false;
  EXPECT_TRUE(world.until([&] { return answer->good(); }));
  EXPECT_EQ(world.partition(2)->status().problem, "");
}

TEST(Replication, TheSameSeedGivesTheSameRun) {
  const auto trace_of = [](uint64_t seed) {
    ReplicationWorld world(seed);
    world.create({1, 2, 3});
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(world.produce(1, std::to_string(i))->good());
    world.cut_off(1);
    world.elect(2, {2, 3});
    EXPECT_TRUE(world.produce(2, "by two")->good());
    return world.simulator().trace_hash();
  };
  EXPECT_EQ(trace_of(7), trace_of(7));
  EXPECT_NE(trace_of(7), trace_of(8));
}

}  // namespace
}  // namespace sluice::broker
