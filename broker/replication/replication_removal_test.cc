#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/replication_world.h"

namespace sluice::broker {
namespace {

using testing::ReplicationWorld;
using Values = std::vector<std::string>;

TEST(Replication, TheLogStartFollowsTheLeaders) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  for (const char* value : {"a", "b", "c"}) ASSERT_TRUE(world.produce(1, value)->good());
  const auto removed = world.begin_remove(1, 2);
  ASSERT_TRUE(world.until([&] { return removed->has_value(); }, 100ms));
  ASSERT_FALSE((*removed)->error);
  EXPECT_EQ((*removed)->log_start, Offset{2});
  for (const int32_t follower : {2, 3}) EXPECT_EQ(world.values(follower), Values{"c"});
}

TEST(Replication, ADeletionIsAnsweredWhenNoFollowerInSyncCanBringTheRecordsBack) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  for (const char* value : {"a", "b", "c"}) ASSERT_TRUE(world.produce(1, value)->good());
  world.broker(2).machine->disk().set_latency(sim::DiskOp::sync, 50ms, 50ms);
  const auto removed = world.begin_remove(1, 2);
  EXPECT_FALSE(world.until([&] { return removed->has_value(); }, 49ms));
  EXPECT_EQ(world.log(2).ends().start, Offset{2});
  ASSERT_TRUE(world.until([&] { return removed->has_value(); }, 1s));
  EXPECT_FALSE((*removed)->error);
}

TEST(Replication, ADeletionThatAFollowerInSyncDoesNotHearOfIsNotAcknowledged) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  for (const char* value : {"a", "b", "c"}) ASSERT_TRUE(world.produce(1, value)->good());
  world.cut_off(3);
  const auto lost = world.begin_remove(1, 2);
  ASSERT_TRUE(world.until([&] { return lost->has_value(); }, 20s));
  ASSERT_TRUE((*lost)->error);
  EXPECT_EQ((*lost)->error->code(), Errc::timed_out);
  world.reconnect(3);
  const auto removed = world.begin_remove(1, 2);
  ASSERT_TRUE(world.until([&] { return removed->has_value(); }));
  EXPECT_FALSE((*removed)->error);
}

TEST(Replication, WhatRetentionDropsAtTheLeaderGoesAtIdleFollowersToo) {
  ReplicationWorld world;
  world.create({1, 2, 3}, {{"retention.ms", "1"}});
  ASSERT_TRUE(world.produce(1, "old")->good());
  // Only there: followers that have a later clock, or none of their own, go by the leader.
  world.broker(1).logs->start();
  ASSERT_TRUE(world.until([&] { return world.log(1).ends().start == Offset{1}; }, 600s));
  for (const int32_t follower : {2, 3}) {
    EXPECT_TRUE(world.until([&] { return world.log(follower).ends().start == Offset{1}; }, 20ms));
  }
}

TEST(Replication, AReplicaWhoseNextRecordsAreDeletedBeginsAnew) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "a")->good());
  world.cut_off(3);
  world.begin(1, "b");
  ASSERT_TRUE(world.until([&] { return world.in_sync_is({1, 2}); }, 15s));
  ASSERT_TRUE(world.produce(1, "c")->good());
  const Offset before = world.log(1).ends().end - 1;
  const auto removed = world.begin_remove(1, before.value());
  ASSERT_TRUE(world.until([&] { return removed->has_value(); }));
  ASSERT_FALSE((*removed)->error);
  world.reconnect(3);
  EXPECT_TRUE(world.until([&] { return world.in_sync_is({1, 2, 3}); }, 15s));
  EXPECT_EQ(world.log(3).ends().start, before);
  EXPECT_EQ(world.values(3), Values{"c"});
}

TEST(Replication, AReplicaThatIsMovedAwayLosesItsLogAndANewOneGetsAll) {
  ReplicationWorld world(1, 4);
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.change([](PartitionImage& partition) { partition.replicas.push_back(NodeId{4}); });
  ASSERT_TRUE(world.until([&] { return world.in_sync_is({1, 2, 3, 4}); }));
  world.change([](PartitionImage& partition) {
    std::erase(partition.replicas, NodeId{2});
    std::erase(partition.in_sync, NodeId{2});
  });
  EXPECT_TRUE(world.until([&] { return world.partition(2) == nullptr; }));
  ASSERT_TRUE(world.produce(1, "two")->good());
  EXPECT_EQ(world.values(4), (Values{"one", "two"}));
}

TEST(Replication, AReplicaThatIsMovedAwayWhileItsBrokerIsDownLosesItsLogAtTheStart) {
  ReplicationWorld world(1, 4);
  world.create({1, 2, 3});
  ASSERT_TRUE(world.produce(1, "one")->good());
  world.cut_off(2);
  world.change([](PartitionImage& partition) {
    partition.replicas = {NodeId{1}, NodeId{3}};
    partition.in_sync = partition.replicas;
  });
  const storage::TopicPartition name{"t", PartitionId{0}};
  ASSERT_NE(world.broker(2).logs->find(name), nullptr);
  world.start_again(2);
  EXPECT_TRUE(world.until([&] { return world.broker(2).logs->find(name) == nullptr; }));
  EXPECT_NE(world.broker(3).logs->find(name), nullptr);
}

}  // namespace
}  // namespace sluice::broker
