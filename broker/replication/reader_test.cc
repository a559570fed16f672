#include <gtest/gtest.h>

#include "tests/support/replication_world.h"

namespace sluice::broker {
namespace {

using testing::ReplicationWorld;

/// A client's fetch, on a session of its own.
FetchedPartition fetch(ReplicationWorld& world, int32_t from, FetchTarget target) {
  MemoryBudget memory("session", 1_MiB);
  FetchSession session(memory);
  target.key = world.key;
  target.max_bytes = 1'000'000;
  const std::vector<FetchTarget> targets{target};
  const Principal principal;
  std::vector<FetchedPartition> answer;
  const FetchRequest request{.principal = principal, .partitions = targets, .max_bytes = 1'000'000};
  ReplicationWorld::Broker& broker = world.broker(from);
  EXPECT_TRUE(world.run(broker, broker.fetch.fetch(session, request, answer)));
  EXPECT_EQ(answer.size(), 1U);
  return answer.empty() ? FetchedPartition{} : answer.front();
}

/// Three records are everywhere, two more on broker 1 alone, which is gone; 2 leads without them.
void elect_uncleanly(ReplicationWorld& world) {
  world.create({1, 2, 3}, {{"min.insync.replicas", "1"}});
  for (const char* value : {"a", "b", "c"}) ASSERT_TRUE(world.produce(1, value)->good());
  world.cut_off(2);
  world.cut_off(3);
  ASSERT_TRUE(world.until([&] { return world.in_sync_is({1}); }, 15s));
  for (const char* value : {"lost", "too"}) ASSERT_TRUE(world.produce(1, value)->good());
  world.cut_off(1);
  world.reconnect(2);
  world.elect(2, {2});
  ASSERT_TRUE(world.produce(2, "new")->good());
}

TEST(Reader, IsToldWhereItsRecordsPartFromTheLogOfALeaderThatHasThemNot) {
  ReplicationWorld world;
  elect_uncleanly(world);
  const auto told = fetch(
      world, 2,
      {.key = {}, .offset = Offset{5}, .leader_epoch = {}, .last_fetched_epoch = LeaderEpoch{0}});
  ASSERT_TRUE(told.divergence);
  EXPECT_EQ(told.divergence->epoch, LeaderEpoch{0});
  EXPECT_EQ(told.divergence->end, Offset{3});
  EXPECT_EQ(told.slice.length, 0U);
}

TEST(Reader, ThatReadNothingThatIsLostGoesOn) {
  ReplicationWorld world;
  elect_uncleanly(world);
  const auto told = fetch(
      world, 2,
      {.key = {}, .offset = Offset{3}, .leader_epoch = {}, .last_fetched_epoch = LeaderEpoch{0}});
  EXPECT_FALSE(told.divergence);
  EXPECT_GT(told.slice.length, 0U);
}

TEST(Reader, ThatDoesNotSayWhatItReadIsCheckedForTheOffsetOnly) {
  ReplicationWorld world;
  elect_uncleanly(world);
  FetchTarget target{.key = {}, .offset = Offset{4}, .leader_epoch = {}, .last_fetched_epoch = {}};
  EXPECT_FALSE(fetch(world, 2, target).divergence);
  target.offset = Offset{5};
  const auto told = fetch(world, 2, target);
  ASSERT_TRUE(told.error);
  EXPECT_EQ(*told.error, Errc::offset_out_of_range);
}

}  // namespace
}  // namespace sluice::broker
