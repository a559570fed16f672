#include <gtest/gtest.h>

#include "tests/support/replication_world.h"

namespace sluice::broker {
namespace {

using testing::ReplicationWorld;

/// A client's fetch, on a session of its own.
struct Reading {
  explicit Reading(ReplicationWorld& of) : world(of) {}

  io::Task<void> fetch(int32_t from, FetchTarget target, bool from_follower, Duration max_wait) {
    target.key = world.key;
    target.max_bytes = 1'000'000;
    const std::vector<FetchTarget> targets{target};
    const FetchRequest request{.principal = principal,
                               .partitions = targets,
                               .max_wait = max_wait,
                               .max_bytes = 1'000'000,
                               .from_follower = from_follower};
    outcome = co_await world.broker(from).fetch.fetch(session, request, answer);
  }
  void begin(int32_t from, FetchTarget target, Duration max_wait) {
    world.simulator().start_on(world.broker(from).machine->executor().worker(1),
                               fetch(from, target, true, max_wait));
  }

  ReplicationWorld& world;
  const Principal principal;
  MemoryBudget memory{"session", 1_MiB};
  FetchSession session{memory};
  std::vector<FetchedPartition> answer;
  std::optional<Result<>> outcome;
};

FetchedPartition fetch(ReplicationWorld& world, int32_t from, FetchTarget target,
                       bool from_follower = false) {
  Reading reading(world);
  world.run(world.broker(from), reading.fetch(from, target, from_follower, 0s));
  EXPECT_TRUE(reading.outcome && *reading.outcome);
  EXPECT_EQ(reading.answer.size(), 1U);
  return reading.answer.empty() ? FetchedPartition{} : reading.answer.front();
}

FetchTarget at(int64_t offset, std::optional<LeaderEpoch> last = {},
               std::optional<LeaderEpoch> leader = {}) {
  return {.key = {}, .offset = Offset{offset}, .leader_epoch = leader, .last_fetched_epoch = last};
}

/// Three records are everywhere, two more on broker 1 alone, which is gone; 2 leads without them.
void elect_uncleanly(ReplicationWorld& world) {
  world.create({1, 2, 3}, {{"min.insync.replicas", "1"}});
  for (const char* value : {"a", "b", "c"}) ASSERT_TRUE(world.produce(1, value)->good());
  world.cut_off(2);
  world.cut_off(3);
  // Who lacks nothing stays in sync, however silent it is.
  for (const char* value : {"lost", "too"}) world.begin(1, value);
  ASSERT_TRUE(world.until([&] { return world.in_sync_is({1}); }, 15s));
  world.cut_off(1);
  world.reconnect(2);
  world.elect(2, {2});
  ASSERT_TRUE(world.produce(2, "new")->good());
}

TEST(Reader, IsToldWhereItsRecordsPartFromTheLogOfALeaderThatHasThemNot) {
  ReplicationWorld world;
  elect_uncleanly(world);
  const auto told = fetch(world, 2, at(5, LeaderEpoch{0}));
  ASSERT_TRUE(told.divergence);
  EXPECT_EQ(told.divergence->epoch, LeaderEpoch{0});
  EXPECT_EQ(told.divergence->end, Offset{3});
  EXPECT_EQ(told.slice.length, 0U);
}

TEST(Reader, ThatReadNothingThatIsLostGoesOn) {
  ReplicationWorld world;
  elect_uncleanly(world);
  const auto told = fetch(world, 2, at(3, LeaderEpoch{0}));
  EXPECT_FALSE(told.divergence);
  EXPECT_GT(told.slice.length, 0U);
}

TEST(Reader, ThatDoesNotSayWhatItReadIsCheckedForTheOffsetOnly) {
  ReplicationWorld world;
  elect_uncleanly(world);
  EXPECT_FALSE(fetch(world, 2, at(4)).divergence);
  const auto told = fetch(world, 2, at(5));
  ASSERT_TRUE(told.error);
  EXPECT_EQ(*told.error, Errc::offset_out_of_range);
}

/// One record is everywhere, and known to be committed.
void commit_one(ReplicationWorld& world) {
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  ASSERT_TRUE(world.until([&] { return world.partition(2)->high_watermark() == Offset{1}; }));
}

TEST(Reader, IsServedByAFollowerInSyncIfItAsksForThat) {
  ReplicationWorld world;
  commit_one(world);
  const auto told = fetch(world, 2, at(0, {}, LeaderEpoch{0}), true);
  EXPECT_FALSE(told.error);
  EXPECT_GT(told.slice.length, 0U);
  EXPECT_EQ(told.high_watermark, Offset{1});
  EXPECT_EQ(*fetch(world, 2, at(0)).error, Errc::not_leader);
}

TEST(Reader, GetsNothingOfAFollowerThatIsNotKnownToBeCommitted) {
  ReplicationWorld world;
  commit_one(world);
  world.cut_off(3);
  ASSERT_TRUE(world.produce(1, "two", Acks::leader)->good());
  ASSERT_TRUE(world.until([&] { return world.log(2).ends().end == Offset{2}; }));
  const auto told = fetch(world, 2, at(1, LeaderEpoch{0}), true);
  EXPECT_FALSE(told.error);
  EXPECT_EQ(told.slice.length, 0U);
  EXPECT_EQ(told.high_watermark, Offset{1});
}

TEST(Reader, WaitsAtAFollowerUntilThatHearsOfACommit) {
  ReplicationWorld world;
  commit_one(world);
  Reading reading(world);
  reading.begin(2, at(1, LeaderEpoch{0}), 10s);
  EXPECT_FALSE(world.until([&] { return reading.outcome.has_value(); }, 1s));
  ASSERT_TRUE(world.produce(1, "two")->good());
  EXPECT_TRUE(world.until([&] { return reading.outcome.has_value(); }, 200ms));
  EXPECT_GT(reading.answer.at(0).slice.length, 0U);
}

TEST(Reader, IsSentAwayByAFollowerThatIsNotInSync) {
  ReplicationWorld world;
  commit_one(world);
  Reading reading(world);
  reading.begin(3, at(1, LeaderEpoch{0}), 10s);
  world.simulator().run_for(100ms);
  world.change([](PartitionImage& partition) { partition.in_sync = {NodeId{1}, NodeId{2}}; });
  EXPECT_TRUE(world.until([&] { return reading.outcome.has_value(); }, 100ms));
  EXPECT_EQ(*reading.answer.at(0).error, Errc::not_leader);
  EXPECT_EQ(*fetch(world, 3, at(0), true).error, Errc::not_leader);
}

TEST(Reader, IsSentToTheLeaderWithWhatAFollowerCannotTell) {
  ReplicationWorld world;
  commit_one(world);
  EXPECT_EQ(*fetch(world, 2, at(2, LeaderEpoch{0}), true).error, Errc::offset_out_of_range);
  EXPECT_EQ(*fetch(world, 2, at(1, LeaderEpoch{7}), true).error, Errc::offset_out_of_range);
}

TEST(Reader, OfAnotherLeaderEpochThanTheFollowersHasToLookAgain) {
  ReplicationWorld world;
  commit_one(world);
  world.elect(3, {1, 2, 3});
  ASSERT_TRUE(world.produce(3, "two")->good());
  EXPECT_EQ(*fetch(world, 2, at(0, {}, LeaderEpoch{0}), true).error, Errc::fenced_leader_epoch);
  EXPECT_EQ(*fetch(world, 2, at(0, {}, LeaderEpoch{2}), true).error, Errc::unknown_leader_epoch);
  EXPECT_FALSE(fetch(world, 2, at(0, {}, LeaderEpoch{1}), true).error);
}

TEST(Reader, IsNotServedByAFollowerThatHasNotHeardFromItsNewLeader) {
  ReplicationWorld world;
  commit_one(world);
  world.elect(3, {1, 2, 3});
  world.cut_off(2);
  world.run(world.broker(2), world.partition(2)->follow({NodeId{3}, LeaderEpoch{2}}));
  EXPECT_EQ(*fetch(world, 2, at(0), true).error, Errc::not_leader);
}

}  // namespace
}  // namespace sluice::broker
