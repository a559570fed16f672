#include "broker/metadata/warm_ups.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/support/controlled_cluster.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;
using testing::ControlledCluster;
using testing::nodes;
using testing::partition_of;

constexpr TimePoint kNow{std::chrono::hours(1)};
const PartitionName kName{testing::topic_id(1), PartitionId{0}};

TEST(WarmUps, WhoIsToLeadIsAskedOnceAndReadyWhenItSaysSo) {
  WarmUps warm_ups(1s);
  EXPECT_FALSE(warm_ups.is_ready(NodeId{2}, kName, kNow));
  EXPECT_FALSE(warm_ups.is_ready(NodeId{2}, kName, kNow + 100ms));
  EXPECT_EQ(warm_ups.asked_of(NodeId{2}, kNow), std::vector{kName});
  EXPECT_TRUE(warm_ups.asked_of(NodeId{1}, kNow).empty());
  warm_ups.done(NodeId{2}, {kName});
  EXPECT_TRUE(warm_ups.is_ready(NodeId{2}, kName, kNow + 200ms));
  EXPECT_TRUE(warm_ups.asked_of(NodeId{2}, kNow + 200ms).empty());
}

TEST(WarmUps, NobodyIsWaitedForLongerThanTheBound) {
  WarmUps warm_ups(1s);
  EXPECT_FALSE(warm_ups.is_ready(NodeId{2}, kName, kNow));
  EXPECT_TRUE(warm_ups.is_ready(NodeId{2}, kName, kNow + 1s));
  EXPECT_TRUE(warm_ups.asked_of(NodeId{2}, kNow + 1s).empty());
  EXPECT_TRUE(WarmUps(0s).is_ready(NodeId{2}, kName, kNow));
}

TEST(WarmUps, WhatWasReadInLongAgoIsAskedForAgain) {
  WarmUps warm_ups(1s);
  EXPECT_FALSE(warm_ups.is_ready(NodeId{2}, kName, kNow));
  warm_ups.done(NodeId{2}, {kName});
  warm_ups.forget_old(kNow + 60s);
  EXPECT_FALSE(warm_ups.is_ready(NodeId{2}, kName, kNow + 60s));
}

/// Three brokers; one partition, led by 1, with all in sync.
class WarmUpTest : public ::testing::Test {
 protected:
  WarmUpTest() {
    cluster.warm_up_max = 1s;
    cluster.restart_controller();
    cluster.run(1s, {1, 2, 3});
    EXPECT_TRUE(cluster.create(1, {partition_of(nodes({1, 2, 3}))}));
    cluster.tick();
  }
  const PartitionImage& partition() {
    return cluster.image.topic(testing::topic_id(1))->partitions[0];
  }
  ControlledCluster cluster{3};
};

TEST_F(WarmUpTest, ALeaderThatStopsLeadsUntilTheNextOneHasReadThePartitionIn) {
  ASSERT_TRUE(cluster.beat(1, true));
  cluster.tick();
  EXPECT_EQ(partition().leader, NodeId{1});
  const auto asked = cluster.beat(2);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->warm_up, std::vector{kName});
  EXPECT_TRUE(cluster.beat(3)->warm_up.empty());
  ASSERT_TRUE(cluster.beat(2, false, {kName}));
  cluster.tick();
  EXPECT_EQ(partition().leader, NodeId{2});
}

TEST_F(WarmUpTest, ANextLeaderThatIsNotDoneIsWaitedForASecond) {
  ASSERT_TRUE(cluster.beat(1, true));
  cluster.tick();
  for (int i = 0; i < 9; ++i) {
    cluster.now += 100ms;
    ASSERT_TRUE(cluster.beat(1, true));
    for (const int32_t id : {2, 3}) ASSERT_TRUE(cluster.beat(id));
    cluster.tick();
    EXPECT_EQ(partition().leader, NodeId{1});
  }
  cluster.now += 100ms;
  ASSERT_TRUE(cluster.beat(1, true));
  cluster.tick();
  EXPECT_EQ(partition().leader, NodeId{2});
}

TEST_F(WarmUpTest, ALeaderThatIsGoneIsReplacedAtOnce) {
  ASSERT_TRUE(cluster.create(2, {partition_of(nodes({2, 1, 3}))}));
  for (int i = 0; i < 30 && !cluster.fenced(2); ++i) cluster.run(100ms, {1, 3});
  EXPECT_TRUE(cluster.fenced(2));
  EXPECT_EQ(cluster.image.topic(testing::topic_id(2))->partitions[0].leader, NodeId{1});
}

TEST_F(WarmUpTest, TheEndOfAMoveWaitsForItsNewLeader) {
  PartitionImage begun = partition_of(nodes({3, 1}));
  begun.leader = NodeId{1};
  begun.adding = nodes({3});
  begun.removing = nodes({1});
  ASSERT_TRUE(cluster.create(2, {begun}));
  cluster.tick();
  const auto moving = [&] { return cluster.image.topic(testing::topic_id(2))->partitions[0]; };
  EXPECT_EQ(moving().leader, NodeId{1});
  const PartitionName name{testing::topic_id(2), PartitionId{0}};
  ASSERT_TRUE(cluster.beat(3, false, {name}));
  cluster.tick();
  EXPECT_EQ(moving().leader, NodeId{3});
  EXPECT_EQ(moving().replicas, nodes({3}));
}

TEST_F(WarmUpTest, AMoveThatOnlyTakesTheLeadersReplicaWaitsForTheNextOne) {
  const auto records = cluster.core->move(
      cluster.image,
      {.topic_id = kName.topic_id, .partition = kName.partition, .replicas = nodes({3, 2})},
      cluster.now);
  ASSERT_TRUE(records);
  ASSERT_TRUE(cluster.fold_in(*records));
  cluster.tick();
  EXPECT_EQ(partition().leader, NodeId{1});
  EXPECT_EQ(partition().removing, nodes({1}));
  EXPECT_EQ(cluster.beat(3)->warm_up, std::vector{kName});
  EXPECT_TRUE(cluster.beat(2)->warm_up.empty());
  ASSERT_TRUE(cluster.beat(3, false, {kName}));
  cluster.tick();
  EXPECT_EQ(partition().leader, NodeId{3});
  EXPECT_EQ(partition().replicas, nodes({3, 2}));
  EXPECT_TRUE(partition().removing.empty());
}

TEST_F(WarmUpTest, AMoveThatLeavesTheLeaderIsDoneAtOnce) {
  const auto records = cluster.core->move(
      cluster.image,
      {.topic_id = kName.topic_id, .partition = kName.partition, .replicas = nodes({1, 3})},
      cluster.now);
  ASSERT_TRUE(records);
  ASSERT_TRUE(cluster.fold_in(*records));
  EXPECT_EQ(partition().replicas, nodes({1, 3}));
  EXPECT_EQ(partition().leader, NodeId{1});
}

TEST_F(WarmUpTest, LeadersGoBackTogetherOnceTheirPartitionsAreReadIn) {
  std::vector<PartitionImage> away(4, partition_of(nodes({2, 3})));
  for (PartitionImage& one : away) one.leader = NodeId{3};
  ASSERT_TRUE(cluster.create(2, away));
  const auto led_by_two = [&] {
    const auto topic = cluster.image.topic(testing::topic_id(2));
    return std::ranges::count(topic->partitions, NodeId{2}, &PartitionImage::leader);
  };
  std::vector<PartitionName> asked;
  for (int i = 0; i < 50 && asked.empty(); ++i) {
    cluster.run(100ms, {1, 3});
    asked = cluster.beat(2)->warm_up;
  }
  EXPECT_EQ(asked.size(), 4U);
  EXPECT_EQ(led_by_two(), 0);
  ASSERT_TRUE(cluster.beat(2, false, asked));
  cluster.run(300ms, {1, 2, 3});
  EXPECT_EQ(led_by_two(), 4);
}

}  // namespace
}  // namespace sluice::broker
