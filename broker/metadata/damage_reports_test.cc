// What the controller makes of replicas that lost records.

#include <gtest/gtest.h>

#include "broker/metadata/elections.h"
#include "broker/metadata/snapshot_codec.h"
#include "tests/support/controlled_cluster.h"

namespace sluice::broker {
namespace {

using testing::ControlledCluster;
using testing::nodes;
using testing::partition_of;
using testing::topic_id;

class DamageReports : public ::testing::Test {
 protected:
  DamageReports() {
    EXPECT_TRUE(
        cluster.create(1, {partition_of(nodes({1, 2, 3}))}, {{"min.insync.replicas", "2"}}));
    cluster.restart_controller();
  }
  Result<MetadataRecords> decide(int32_t id, bool damaged, uint64_t epoch) {
    return cluster.core->report_damage(cluster.image, NodeId{id}, epoch,
                                       {{topic_id(1), PartitionId{0}, damaged}});
  }
  /// Whether anything changed.
  bool report(int32_t id, bool damaged = true) {
    auto records = decide(id, damaged, cluster.epoch_of(id));
    EXPECT_TRUE(records) << records.error().message();
    if (records->empty()) return false;
    EXPECT_TRUE(cluster.fold_in(std::move(*records)));
    return true;
  }
  Result<Controller::Altered> ask(std::vector<NodeId> in_sync) {
    const PartitionImage& now = partition();
    return cluster.core->alter_in_sync(cluster.image, now.leader,
                                       cluster.epoch_of(now.leader.value()),
                                       {{.topic_id = topic_id(1),
                                         .partition = PartitionId{0},
                                         .leader_epoch = now.leader_epoch,
                                         .partition_epoch = now.partition_epoch,
                                         .in_sync = std::move(in_sync)}});
  }
  const PartitionImage& partition() const { return cluster.partition(1); }

  ControlledCluster cluster{3};
};

TEST_F(DamageReports, ADamagedFollowerLeavesTheSetAndMayNotJoinUntilItIsWhole) {
  EXPECT_TRUE(report(3));
  EXPECT_EQ(partition().in_sync, nodes({1, 2}));
  EXPECT_EQ(partition().damaged, nodes({3}));
  EXPECT_EQ(partition().leader, NodeId{1});
  EXPECT_FALSE(report(3)) << "known already";
  EXPECT_EQ(ask(nodes({1, 2, 3}))->epochs[0].error().code(), Errc::not_enough_replicas);
  EXPECT_TRUE(report(3, false));
  EXPECT_EQ(partition().damaged, nodes({}));
  EXPECT_TRUE(ask(nodes({1, 2, 3}))->epochs[0].has_value());
}

TEST_F(DamageReports, ADamagedLeaderIsReplacedInTheSameStep) {
  const PartitionImage before = partition();
  EXPECT_TRUE(report(1));
  EXPECT_EQ(partition().leader, NodeId{2});
  EXPECT_EQ(partition().in_sync, nodes({2, 3}));
  EXPECT_EQ(partition().leader_epoch, before.leader_epoch + 1);
  EXPECT_EQ(partition().partition_epoch, before.partition_epoch + 1);
}

TEST_F(DamageReports, WhoIsDamagedIsNotEligibleThoughTheSetBecomesTooSmall) {
  EXPECT_TRUE(report(3));
  EXPECT_TRUE(report(2));
  EXPECT_EQ(partition().in_sync, nodes({1}));
  EXPECT_EQ(partition().eligible, nodes({}));
}

TEST_F(DamageReports, TheLastOneStaysAndLeads) {
  for (const int32_t id : {3, 2, 1}) EXPECT_TRUE(report(id));
  EXPECT_EQ(partition().in_sync, nodes({1}));
  EXPECT_EQ(partition().leader, NodeId{1});
  EXPECT_EQ(partition().damaged, nodes({3, 2, 1}));
  EXPECT_TRUE(report(2, false));
  EXPECT_EQ(partition().leader, NodeId{1}) << "the other may lack records";
  // It has everything now: the damaged one goes.
  auto altered = ask(nodes({1, 2}));
  ASSERT_TRUE(altered && altered->epochs[0]);
  ASSERT_TRUE(cluster.fold_in(std::move(altered->records)));
  EXPECT_EQ(partition().in_sync, nodes({2}));
  EXPECT_EQ(partition().leader, NodeId{2});
}

TEST_F(DamageReports, WhoIsEligibleTakesOverFromTheLastOne) {
  ASSERT_TRUE(cluster.set_fenced(3, true));
  ASSERT_TRUE(cluster.set_fenced(2, true));
  cluster.tick();
  ASSERT_EQ(partition().in_sync, nodes({1}));
  ASSERT_EQ(partition().eligible, nodes({2, 3}));
  ASSERT_TRUE(cluster.set_fenced(2, false));
  EXPECT_TRUE(report(1));
  EXPECT_EQ(partition().leader, NodeId{2});
  EXPECT_EQ(partition().in_sync, nodes({2}));
  EXPECT_EQ(partition().eligible, nodes({3}));
}

TEST_F(DamageReports, AnUncleanElectionPassesThemOver) {
  ASSERT_TRUE(report(2));
  PartitionImage lone = partition();
  lone.in_sync = nodes({1});
  const BrokerStates states = [&] {
    MetadataImage image;
    for (const int32_t id : {1, 2, 3})
      image.brokers.push_back({.id = NodeId{id}, .fenced = id == 1});
    return BrokerStates(image);
  }();
  EXPECT_EQ(settled(lone, {.min_in_sync = 1, .unclean = true}, states).leader, NodeId{3});
}

TEST_F(DamageReports, IsKeptInSnapshotsAndByMoves) {
  ASSERT_TRUE(report(3));
  const auto again = decode_snapshot(encode_snapshot(cluster.image), cluster.image.version);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->topic(topic_id(1))->partitions[0].damaged, nodes({3}));
}

TEST_F(DamageReports, AnotherIncarnationsReportIsRefused) {
  EXPECT_EQ(decide(3, true, cluster.epoch_of(3) + 1).error().code(), Errc::unknown_session);
  EXPECT_EQ(decide(9, true, 1).error().code(), Errc::not_found);
}

TEST_F(DamageReports, OfWhatIsGoneNothingIsSaid) {
  const auto records = cluster.core->report_damage(
      cluster.image, NodeId{3}, cluster.epoch_of(3),
      {{topic_id(9), PartitionId{0}, true}, {topic_id(1), PartitionId{7}, true}});
  ASSERT_TRUE(records);
  EXPECT_TRUE(records->empty());
}

}  // namespace
}  // namespace sluice::broker
