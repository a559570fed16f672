#include "broker/metadata/controller.h"

#include <gtest/gtest.h>

#include "broker/metadata/elections.h"
#include "tests/support/controlled_cluster.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;
using testing::ControlledCluster;
using testing::nodes;
using testing::partition_of;
using testing::topic_id;

TEST(Controller, WhoIsSilentForASessionIsFencedAndItsPartitionsAreLedByOthers) {
  ControlledCluster cluster(3);
  ASSERT_TRUE(cluster.create(1, {partition_of(nodes({2, 3, 1})), partition_of(nodes({3, 2}))}));
  cluster.run(100ms, {1, 2, 3});
  EXPECT_EQ(cluster.run(800ms, {1, 3}), 0);
  EXPECT_FALSE(cluster.fenced(2));
  EXPECT_EQ(cluster.run(300ms, {1, 3}), 1);
  EXPECT_TRUE(cluster.fenced(2));
  EXPECT_EQ(cluster.partition(1).leader, NodeId{3});
  EXPECT_EQ(cluster.partition(1).in_sync, nodes({3, 1}));
  EXPECT_EQ(cluster.partition(1).leader_epoch, LeaderEpoch{1});
  EXPECT_EQ(cluster.partition(1, 1).in_sync, nodes({3}));
  EXPECT_EQ(cluster.partition(1, 1).leader_epoch, LeaderEpoch{0});
}

TEST(Controller, ANewOneWaitsLessForWhomItNeverHeardThanASessionIsLong) {
  ControlledCluster cluster(3);
  cluster.now += 1h;
  cluster.restart_controller();
  EXPECT_EQ(cluster.run(500ms, {2}), 0);
  cluster.run(200ms, {2});
  EXPECT_TRUE(cluster.fenced(3));
  EXPECT_FALSE(cluster.fenced(2));
  cluster.run(1100ms, {});
  EXPECT_TRUE(cluster.fenced(2));
  EXPECT_FALSE(cluster.fenced(1));
}

TEST(Controller, ItsOwnPauseIsNobodyElsesSilence) {
  ControlledCluster cluster(3);
  cluster.run(500ms, {1, 2, 3});
  cluster.now += 20s;
  EXPECT_EQ(cluster.tick(), 0);
  cluster.run(300ms, {1, 2, 3});
  EXPECT_FALSE(cluster.fenced(2));
  cluster.run(2s, {1, 3});
  EXPECT_TRUE(cluster.fenced(2));
}

TEST(Controller, TheOnlyBrokerIsNeverFencedAndNeedsNoCommit) {
  ControlledCluster cluster(1);
  ASSERT_TRUE(cluster.create(1, {partition_of(nodes({1}))}));
  EXPECT_EQ(cluster.run(1min, {}), 0);
  const auto reply = cluster.beat(1, true);
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->may_stop);
  EXPECT_EQ(cluster.run(1min, {}), 0);
}

TEST(Controller, WhoComesBackServesAndLeadsWhatNobodyLed) {
  ControlledCluster cluster(3);
  ASSERT_TRUE(cluster.create(1, {partition_of(nodes({2}))}));
  cluster.run(2s, {1, 3});
  EXPECT_EQ(cluster.partition(1).leader, kNoLeader);
  EXPECT_EQ(cluster.partition(1).in_sync, nodes({2}));
  ASSERT_TRUE(cluster.register_broker(2));
  EXPECT_EQ(cluster.run(300ms, {1, 3}), 0);
  EXPECT_EQ(cluster.run(100ms, {1, 2, 3}), 1);
  EXPECT_FALSE(cluster.fenced(2));
  EXPECT_EQ(cluster.partition(1).leader, NodeId{2});
  EXPECT_EQ(cluster.partition(1).leader_epoch, LeaderEpoch{2});
}

TEST(Controller, WhoHasNotFoldedItsRegistrationStaysFenced) {
  ControlledCluster cluster(2);
  ASSERT_TRUE(cluster.register_broker(2));
  const uint64_t epoch = cluster.epoch_of(2);
  ASSERT_TRUE(
      cluster.core->heartbeat(cluster.image, {NodeId{2}, epoch, epoch - 1, false}, cluster.now));
  EXPECT_EQ(cluster.tick(), 0);
  const auto reply =
      cluster.core->heartbeat(cluster.image, {NodeId{2}, epoch, epoch, false}, cluster.now);
  EXPECT_TRUE(reply->fenced);
  EXPECT_EQ(cluster.tick(), 1);
  EXPECT_FALSE(cluster.fenced(2));
}

TEST(Controller, WhoDoesNotKnowThatItWasFencedStaysFenced) {
  ControlledCluster cluster(2);
  ASSERT_TRUE(cluster.create(1, {partition_of(nodes({2, 1}))}));
  const uint64_t known = cluster.image.version;
  cluster.run(2s, {1});
  ASSERT_TRUE(cluster.fenced(2));
  EXPECT_EQ(cluster.partition(1).leader, NodeId{1});
  // It is heard of again, and takes itself for the leader still.
  const auto beat = [&](uint64_t applied) {
    const Heartbeat of_two{NodeId{2}, cluster.epoch_of(2), applied, false};
    return cluster.core->heartbeat(cluster.image, of_two, cluster.now);
  };
  EXPECT_TRUE(beat(known)->fenced);
  EXPECT_EQ(cluster.tick(), 0);
  EXPECT_TRUE(cluster.fenced(2));
  EXPECT_TRUE(beat(cluster.image.version)->fenced);
  EXPECT_EQ(cluster.tick(), 1);
  EXPECT_FALSE(cluster.fenced(2));
}

TEST(Controller, HeartbeatsOfAnEarlierProcessCountForNothing) {
  ControlledCluster cluster(2);
  const uint64_t before = cluster.epoch_of(2);
  ASSERT_TRUE(cluster.register_broker(2));
  const auto late =
      cluster.core->heartbeat(cluster.image, {NodeId{2}, before, 99, false}, cluster.now);
  EXPECT_EQ(late.error().code(), Errc::unknown_session);
  const auto unknown =
      cluster.core->heartbeat(cluster.image, {NodeId{9}, before, 99, false}, cluster.now);
  EXPECT_EQ(unknown.error().code(), Errc::not_found);
  EXPECT_EQ(cluster.tick(), 0);
  EXPECT_TRUE(cluster.fenced(2));
}

TEST(Controller, WhoWantsToStopHandsOverFirst) {
  ControlledCluster cluster(3);
  ASSERT_TRUE(cluster.create(1, {partition_of(nodes({2, 3})), partition_of(nodes({2}))}));
  EXPECT_FALSE(cluster.beat(2, true)->may_stop);
  cluster.tick();
  EXPECT_EQ(cluster.partition(1).leader, NodeId{3});
  EXPECT_EQ(cluster.partition(1).in_sync, nodes({3}));
  EXPECT_EQ(cluster.partition(1, 1).leader, kNoLeader);
  EXPECT_TRUE(cluster.beat(2, true)->may_stop);
  EXPECT_TRUE(cluster.fenced(2));
  cluster.run(5s, {1, 3});
  EXPECT_TRUE(cluster.fenced(2));
}

TEST(Controller, AThousandElectionsAreOneCommandAndTooManyAreSeveral) {
  ControlledCluster cluster(3);
  ASSERT_TRUE(cluster.create(1, std::vector(1000, partition_of(nodes({2, 3, 1})))));
  EXPECT_EQ(cluster.run(1s, {1, 3}), 1);
  for (const auto& partition : cluster.image.topic(topic_id(1))->partitions) {
    ASSERT_EQ(partition.leader, NodeId{3});
  }
  cluster.command_bytes = 4096;
  cluster.restart_controller();
  EXPECT_GT(cluster.run(1s, {1}), 5);
  for (const auto& partition : cluster.image.topic(topic_id(1))->partitions) {
    ASSERT_EQ(partition.leader, NodeId{1});
  }
}

TEST(Controller, LeadersGoBackToThePreferredReplicaOnceItIsInSync) {
  ControlledCluster cluster(3);
  ASSERT_TRUE(cluster.create(1, std::vector(10, partition_of(nodes({2, 3})))));
  cluster.run(2s, {1, 3});
  EXPECT_EQ(cluster.partition(1).leader, NodeId{3});
  cluster.run(10s, {1, 2, 3});
  EXPECT_EQ(cluster.partition(1).leader, NodeId{3});
  std::vector<InSyncChange> changes;
  for (int32_t i = 0; i < 10; ++i) {
    changes.push_back({topic_id(1), PartitionId{i}, LeaderEpoch{1}, 1, nodes({2, 3})});
  }
  auto altered =
      cluster.core->alter_in_sync(cluster.image, NodeId{3}, cluster.epoch_of(3), changes);
  ASSERT_TRUE(altered);
  ASSERT_TRUE(cluster.fold_in(std::move(altered->records)));
  cluster.run(10s, {1, 2, 3});
  EXPECT_EQ(cluster.partition(1).leader, NodeId{2});
  EXPECT_EQ(cluster.partition(1).leader_epoch, LeaderEpoch{2});
}

TEST(Controller, EachChangeOfTheInSyncSetsIsAnsweredByItself) {
  ControlledCluster cluster(2);
  ASSERT_TRUE(cluster.create(1, {partition_of(nodes({1, 2})), partition_of(nodes({2, 1}))}));
  const LeaderEpoch first{0};
  const auto altered =
      cluster.core->alter_in_sync(cluster.image, NodeId{1}, cluster.epoch_of(1),
                                  {{topic_id(1), PartitionId{0}, first, 0, nodes({1})},
                                   {topic_id(1), PartitionId{1}, first, 0, nodes({1})},
                                   {topic_id(1), PartitionId{2}, first, 0, nodes({1})},
                                   {topic_id(2), PartitionId{0}, first, 0, nodes({1})}});
  ASSERT_TRUE(altered);
  EXPECT_EQ(altered->records.size(), 1u);
  EXPECT_EQ(*altered->epochs[0], 1u);
  EXPECT_EQ(altered->epochs[1].error().code(), Errc::not_leader);
  EXPECT_EQ(altered->epochs[2].error().code(), Errc::unknown_topic_or_partition);
  EXPECT_EQ(altered->epochs[3].error().code(), Errc::unknown_topic_id);
  const auto stale = cluster.core->alter_in_sync(cluster.image, NodeId{1}, 0, {});
  EXPECT_EQ(stale.error().code(), Errc::unknown_session);
}

TEST(Controller, WhoStartedAgainSinceItWasHeardDoesNotJoin) {
  ControlledCluster cluster(2);
  ASSERT_TRUE(cluster.create(1, {partition_of(nodes({1, 2}))}));
  cluster.run(2s, {1});
  ASSERT_EQ(cluster.partition(1).in_sync, nodes({1}));
  const uint64_t before = cluster.epoch_of(2);
  ASSERT_TRUE(cluster.register_broker(2));
  cluster.run(1s, {1, 2});
  const auto ask = [&](uint64_t heard_as) {
    const PartitionImage now = cluster.partition(1);
    const InSyncChange change{topic_id(1),         PartitionId{0}, now.leader_epoch,
                              now.partition_epoch, nodes({1, 2}),  {0, heard_as}};
    auto altered =
        cluster.core->alter_in_sync(cluster.image, NodeId{1}, cluster.epoch_of(1), {change});
    return altered->epochs.front();
  };
  // The leader decided by what the process before this one had.
  EXPECT_EQ(ask(before).error().code(), Errc::not_enough_replicas);
  EXPECT_TRUE(ask(cluster.epoch_of(2)).has_value());
}

TEST(Controller, ADrainedBrokerIsEmptyAfterItsReplicasCameInSyncElsewhere) {
  ControlledCluster cluster(3);
  ASSERT_TRUE(cluster.create(1, {partition_of(nodes({2, 1}))}));
  cluster::MetadataRecord record;
  record.mutable_broker_draining()->set_node_id(2);
  record.mutable_broker_draining()->set_draining(true);
  ASSERT_TRUE(cluster.fold_in(record));
  cluster.run(5s, {1, 2, 3});
  const PartitionImage moving = cluster.partition(1);
  EXPECT_EQ(moving.replicas, nodes({3, 1, 2}));
  auto altered = cluster.core->alter_in_sync(cluster.image, NodeId{2}, cluster.epoch_of(2),
                                             {{topic_id(1), PartitionId{0}, moving.leader_epoch,
                                               moving.partition_epoch, nodes({1, 2, 3})}});
  ASSERT_TRUE(altered);
  ASSERT_TRUE(cluster.fold_in(std::move(altered->records)));
  EXPECT_EQ(cluster.partition(1).replicas, nodes({3, 1}));
  EXPECT_EQ(cluster.partition(1).leader, NodeId{3});
}

}  // namespace
}  // namespace sluice::broker
