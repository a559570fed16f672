#include "broker/metadata/moves.h"

#include <gtest/gtest.h>

#include "broker/metadata/elections.h"
#include "broker/metadata/partition_codec.h"
#include "tests/support/cluster_images.h"

namespace sluice::broker {
namespace {

using testing::FoldedCluster;
using testing::nodes;
using testing::partition_of;

class MovesTest : public ::testing::Test {
 protected:
  MovesTest() { cluster.start_brokers(4); }
  BrokerStates states() const { return BrokerStates(cluster.image); }

  FoldedCluster cluster;
  const PartitionImage before = partition_of(nodes({1, 2}));
  const ElectionRules rules{1, false};
  const TopicOptions defaults;
};

TEST_F(MovesTest, OldReplicasStayUntilTheNewOnesAreInSync) {
  const auto begun = moved(before, nodes({3, 2}), rules, states());
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->replicas, nodes({3, 2, 1}));
  EXPECT_EQ(begun->adding, nodes({3}));
  EXPECT_EQ(begun->removing, nodes({1}));
  EXPECT_EQ(begun->in_sync, nodes({1, 2}));
  EXPECT_EQ(begun->leader, NodeId{1});
  EXPECT_EQ(begun->leader_epoch, LeaderEpoch{0});
  EXPECT_EQ(begun->partition_epoch, 1u);
}

TEST_F(MovesTest, ToFewerReplicasOrAnotherOrderIsDoneAtOnce) {
  const auto fewer = moved(before, nodes({2}), rules, states());
  ASSERT_TRUE(fewer);
  EXPECT_EQ(fewer->replicas, nodes({2}));
  EXPECT_EQ(fewer->leader, NodeId{2});
  EXPECT_EQ(fewer->partition_epoch, 1u);
  const auto order = moved(before, nodes({2, 1}), rules, states());
  ASSERT_TRUE(order);
  EXPECT_EQ(order->replicas, nodes({2, 1}));
  EXPECT_EQ(order->leader, NodeId{1});
}

TEST_F(MovesTest, ARepeatChangesNothingAndAnotherMoveHasToWait) {
  const auto begun = moved(before, nodes({3, 2}), rules, states());
  EXPECT_EQ(*moved(*begun, nodes({3, 2}), rules, states()), *begun);
  EXPECT_EQ(moved(*begun, nodes({4, 2}), rules, states()).error().code(), Errc::invalid_request);
}

TEST_F(MovesTest, TargetsThatCannotTakeAReplicaAreRefused) {
  ASSERT_TRUE(cluster.set_fenced(4, true));
  for (const auto& target : {nodes({}), nodes({3, 3}), nodes({4}), nodes({9})}) {
    EXPECT_EQ(moved(before, target, rules, states()).error().code(), Errc::invalid_replication);
  }
}

TEST_F(MovesTest, AMoveDoesNotEndWhileTooFewOfThoseThatStayAreInSync) {
  const ElectionRules two{.min_in_sync = 2};
  auto begun = *moved(before, nodes({2, 3}), two, states());
  // 1 goes, 3 came: what the leader commits now, 1 and 3 have.
  begun.in_sync = nodes({1, 3});
  ASSERT_TRUE(cluster.set_fenced(1, true));
  const PartitionImage waits = settled(begun, two, states());
  EXPECT_EQ(waits.in_sync, nodes({3}));
  EXPECT_TRUE(has(waits.replicas, NodeId{1}));
  auto caught_up = waits;
  caught_up.in_sync = nodes({2, 3});
  EXPECT_FALSE(has(settled(caught_up, two, states()).replicas, NodeId{1}));
}

TEST_F(MovesTest, CancelledItHasTheReplicasOfBefore) {
  EXPECT_EQ(move_cancelled(before, rules, states()).error().code(), Errc::invalid_request);
  auto begun = *moved(before, nodes({3, 4}), rules, states());
  begun.in_sync = nodes({3, 1, 2});
  begun.leader = NodeId{3};
  const auto cancelled = move_cancelled(begun, rules, states());
  ASSERT_TRUE(cancelled);
  EXPECT_EQ(cancelled->replicas, nodes({1, 2}));
  EXPECT_EQ(cancelled->in_sync, nodes({1, 2}));
  EXPECT_EQ(cancelled->leader, NodeId{1});
  EXPECT_EQ(cancelled->leader_epoch, LeaderEpoch{1});
  EXPECT_EQ(cancelled->partition_epoch, 2u);
}

TEST_F(MovesTest, ADrainMovesAllThatOthersCanTakeButNotAllAtOnce) {
  ASSERT_TRUE(cluster.create(1, std::vector(5, before)));
  ASSERT_TRUE(cluster.create(2, {partition_of(nodes({1, 2, 3, 4}))}));
  cluster::MetadataRecord record;
  record.mutable_broker_draining()->set_node_id(2);
  record.mutable_broker_draining()->set_draining(true);
  ASSERT_TRUE(cluster.fold_in(record));
  const auto some = drain_brokers(cluster.image, states(), defaults, 3);
  EXPECT_EQ(some.size(), 3u);
  ASSERT_TRUE(cluster.fold_in(some));
  EXPECT_TRUE(drain_brokers(cluster.image, states(), defaults, 3).empty());
  const auto others = drain_brokers(cluster.image, states(), defaults, 100);
  ASSERT_EQ(others.size(), 2u);
  ASSERT_TRUE(cluster.fold_in(others));
  int to_three = 0;
  for (const PartitionImage& partition : cluster.image.topic(testing::topic_id(1))->partitions) {
    EXPECT_EQ(partition.removing, nodes({2}));
    to_three += has(partition.adding, NodeId{3});
  }
  EXPECT_GE(to_three, 2);
  EXPECT_LE(to_three, 3);
  EXPECT_EQ(count_replicas(cluster.image, NodeId{2}), 6u);
}

TEST_F(MovesTest, ATargetThatIsGoneHoldsUpNoDrain) {
  ASSERT_TRUE(cluster.create(1, std::vector(2, before)));
  const auto drain = [&](int32_t id) {
    cluster::MetadataRecord record;
    record.mutable_broker_draining()->set_node_id(id);
    record.mutable_broker_draining()->set_draining(true);
    ASSERT_TRUE(cluster.fold_in(record));
  };
  drain(2);
  ASSERT_TRUE(cluster.fold_in(drain_brokers(cluster.image, states(), defaults, 1)));
  const auto& partition = cluster.image.topic(testing::topic_id(1))->partitions.front();
  const NodeId gone = partition.adding.at(0);
  EXPECT_TRUE(drain_brokers(cluster.image, states(), defaults, 1).empty());
  ASSERT_TRUE(cluster.set_fenced(gone.value(), true));
  EXPECT_EQ(drain_brokers(cluster.image, states(), defaults, 1).size(), 1u) << "the other one";
  drain(gone.value());
  ASSERT_TRUE(cluster.fold_in(drain_brokers(cluster.image, states(), defaults, 1)));
  const auto& cancelled = cluster.image.topic(testing::topic_id(1))->partitions.front();
  EXPECT_TRUE(cancelled.adding.empty());
  EXPECT_EQ(cancelled.replicas, before.replicas);
}

TEST_F(MovesTest, AReplicaMoreIsThereOnceItIsInSync) {
  auto begun = *moved(before, nodes({1, 2, 3}), rules, states());
  EXPECT_EQ(begun.adding, nodes({3}));
  EXPECT_EQ(begun.leader_epoch, LeaderEpoch{0});
  EXPECT_EQ(settled(begun, rules, states()), begun);
  begun.in_sync = nodes({1, 2, 3});
  const PartitionImage done = settled(begun, rules, states());
  EXPECT_TRUE(done.adding.empty());
  EXPECT_EQ(done.replicas, nodes({1, 2, 3}));
  EXPECT_EQ(done.leader, NodeId{1});
}

TEST_F(MovesTest, CancelledAReplicaThatCameIntoSyncNoLongerCounts) {
  auto begun = *moved(before, nodes({1, 2, 3}), rules, states());
  begun.in_sync = nodes({2, 3});
  const auto cancelled = move_cancelled(begun, rules, states());
  ASSERT_TRUE(cancelled);
  EXPECT_EQ(cancelled->in_sync, nodes({2}));
  EXPECT_FALSE(has(cancelled->replicas, NodeId{3}));
  // Who led with it in the set is to lead anew.
  EXPECT_EQ(cancelled->leader_epoch, LeaderEpoch{1});
}

TEST_F(MovesTest, ItTakesNoReplicaThatTooFewOthersCanStandInFor) {
  const ElectionRules two{2, false};
  auto begun = *moved(partition_of(nodes({1, 2, 3})), nodes({4, 2, 3}), two, states());
  // What these two have committed the others lack.
  begun.in_sync = nodes({1, 4});
  begun.leader = NodeId{1};
  EXPECT_EQ(settled(begun, two, states()), begun);
  EXPECT_EQ(move_cancelled(begun, two, states()).error().code(), Errc::invalid_request);
  begun.in_sync = nodes({1, 4, 2});
  EXPECT_EQ(settled(begun, two, states()).replicas, nodes({4, 2, 3}));
  EXPECT_TRUE(move_cancelled(begun, two, states()));
  // Who is not in sync is missed by nobody.
  begun.in_sync = nodes({4});
  begun.leader = NodeId{4};
  EXPECT_EQ(settled(begun, two, states()).replicas, nodes({4, 2, 3}));
}

TEST_F(MovesTest, TheEndOfADrainCancelsWhatMovesAwayAndNothingElse) {
  ASSERT_TRUE(cluster.create(1, std::vector(3, before)));
  const auto topic = cluster.image.topic(testing::topic_id(1));
  const auto away = moved(topic->partitions[0], nodes({1, 3}), rules, states());
  const auto other = moved(topic->partitions[1], nodes({3, 2}), rules, states());
  ASSERT_TRUE(cluster.fold_in(partition_changed(topic->id, 0, topic->partitions[0], *away)));
  ASSERT_TRUE(cluster.fold_in(partition_changed(topic->id, 1, topic->partitions[1], *other)));
  const auto records = cancel_moves_from(cluster.image, NodeId{2}, states(), defaults);
  ASSERT_EQ(records.size(), 1u);
  ASSERT_TRUE(cluster.fold_in(records));
  const auto after = cluster.image.topic(testing::topic_id(1));
  EXPECT_EQ(after->partitions[0].replicas, nodes({1, 2}));
  EXPECT_TRUE(after->partitions[0].adding.empty());
  EXPECT_EQ(after->partitions[1].adding, nodes({3}));
}

}  // namespace
}  // namespace sluice::broker
