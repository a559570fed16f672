#include <string>

#include <gtest/gtest.h>

#include "tests/support/cluster_images.h"

namespace sluice::broker {
namespace {

using testing::FoldedCluster;
using testing::nodes;
using testing::partition_of;
using testing::topic_id;

TEST(FoldBrokers, TheOnlyBrokerServesAtOnceAndOthersAreFenced) {
  FoldedCluster cluster;
  ASSERT_TRUE(cluster.register_broker(1));
  ASSERT_TRUE(cluster.register_broker(1));
  EXPECT_FALSE(cluster.image.broker(NodeId{1})->fenced);
  ASSERT_TRUE(cluster.register_broker(2));
  EXPECT_FALSE(cluster.image.broker(NodeId{1})->fenced);
  EXPECT_TRUE(cluster.image.broker(NodeId{2})->fenced);
}

TEST(FoldBrokers, TheEpochIsTheIndexOfTheRegistration) {
  FoldedCluster cluster;
  ASSERT_TRUE(cluster.register_broker(1));
  ASSERT_TRUE(cluster.register_broker(2));
  ASSERT_TRUE(cluster.register_broker(1));
  EXPECT_EQ(cluster.epoch_of(1), 3u);
  EXPECT_EQ(cluster.epoch_of(2), 2u);
}

TEST(FoldBrokers, AnotherDirectoryUnderAnIdThatIsTakenIsRefused) {
  FoldedCluster cluster;
  ASSERT_TRUE(cluster.register_broker(1, false, "", topic_id(1)));
  const auto refused = cluster.register_broker(1, false, "", topic_id(2));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::wrong_cluster);
  const std::string text(refused.error().message());
  EXPECT_NE(text.find(topic_id(1).text()), std::string::npos) << text;
  EXPECT_NE(text.find(topic_id(2).text()), std::string::npos) << text;
  EXPECT_NE(text.find("sluice cluster leave 1"), std::string::npos) << text;
  EXPECT_TRUE(cluster.register_broker(1, false, "", topic_id(1)));
}

TEST(FoldBrokers, FencingHasToKnowTheEpoch) {
  FoldedCluster cluster;
  cluster.start_brokers(2);
  cluster::MetadataRecord record;
  record.mutable_broker_fenced()->set_node_id(2);
  record.mutable_broker_fenced()->set_epoch(cluster.epoch_of(2) - 1);
  EXPECT_EQ(cluster.fold_in(record).error().code(), Errc::unknown_session);
  record.mutable_broker_fenced()->set_node_id(9);
  EXPECT_EQ(cluster.fold_in(record).error().code(), Errc::not_found);
  EXPECT_FALSE(cluster.image.broker(NodeId{2})->fenced);
}

TEST(FoldBrokers, WhoStartsAmongOthersLeadsNothing) {
  FoldedCluster cluster;
  cluster.start_brokers(2);
  ASSERT_TRUE(cluster.create(1, {partition_of(nodes({1, 2}))}));
  ASSERT_TRUE(cluster.register_broker(1));
  EXPECT_EQ(cluster.partition(1).leader, NodeId{-1});
  EXPECT_EQ(cluster.partition(1).in_sync, nodes({1, 2}));
  EXPECT_EQ(cluster.partition(1).leader_epoch, LeaderEpoch{1});
  EXPECT_EQ(cluster.partition(1).partition_epoch, 1u);
}

TEST(FoldBrokers, AnUncleanStartLeavesTheSetsButForTheLastOfThem) {
  FoldedCluster cluster;
  cluster.start_brokers(2);
  auto eligible = partition_of(nodes({1, 2}));
  eligible.in_sync = nodes({1});
  eligible.eligible = nodes({2});
  ASSERT_TRUE(cluster.create(1, {partition_of(nodes({1, 2})), partition_of(nodes({2})), eligible}));
  ASSERT_TRUE(cluster.register_broker(2, true));
  EXPECT_EQ(cluster.partition(1, 0).in_sync, nodes({1}));
  EXPECT_EQ(cluster.partition(1, 0).leader, NodeId{1});
  EXPECT_EQ(cluster.partition(1, 1).in_sync, nodes({2}));
  EXPECT_EQ(cluster.partition(1, 1).leader, NodeId{-1});
  EXPECT_TRUE(cluster.partition(1, 2).eligible.empty());
}

TEST(FoldBrokers, OnlyReplicasThatAreNotWholeLeaveTheirSetsAtACleanStart) {
  FoldedCluster cluster;
  cluster.start_brokers(2);
  ASSERT_TRUE(cluster.create(
      1, {partition_of(nodes({1, 2})), partition_of(nodes({2, 1})), partition_of(nodes({2}))}));
  cluster::MetadataRecord record;
  auto& broker = *record.mutable_broker_registered();
  broker.set_node_id(2);
  broker.set_host("broker-2");
  broker.set_port(9092);
  auto& lacking = *broker.add_lacking();
  lacking.set_topic_id(testing::bytes_text(topic_id(1)));
  lacking.add_partitions(1);
  lacking.add_partitions(2);
  // Of a topic that is gone by now, and a partition that never was.
  lacking.add_partitions(7);
  broker.add_lacking()->set_topic_id(testing::bytes_text(topic_id(9)));
  ASSERT_TRUE(cluster.fold_in(std::move(record)));
  EXPECT_EQ(cluster.partition(1, 0).in_sync, nodes({1, 2}));
  EXPECT_EQ(cluster.partition(1, 1).in_sync, nodes({1}));
  EXPECT_EQ(cluster.partition(1, 1).leader, NodeId{-1});
  EXPECT_EQ(cluster.partition(1, 2).in_sync, nodes({2}));
}

TEST(FoldBrokers, TheLastOneInSyncGivesWayToEligibleOnesAfterAnUncleanStart) {
  FoldedCluster cluster;
  cluster.start_brokers(3);
  auto partition = partition_of(nodes({1, 2, 3}));
  partition.in_sync = nodes({1});
  partition.eligible = nodes({2, 3});
  ASSERT_TRUE(cluster.create(1, {partition}));
  ASSERT_TRUE(cluster.register_broker(1, true));
  EXPECT_EQ(cluster.partition(1).in_sync, nodes({2, 3}));
  EXPECT_TRUE(cluster.partition(1).eligible.empty());
  EXPECT_EQ(cluster.partition(1).leader, NodeId{-1});
  EXPECT_EQ(cluster.partition(1).leader_epoch, LeaderEpoch{1});
}

TEST(FoldBrokers, AnUncleanStartMakesAnswersOfBeforeItStaleWhereItWasInNoSet) {
  FoldedCluster cluster;
  cluster.start_brokers(2);
  auto behind = partition_of(nodes({1, 2}));
  behind.in_sync = nodes({1});
  ASSERT_TRUE(cluster.create(1, {behind}));
  PartitionImage expanded = behind;
  expanded.in_sync = nodes({1, 2});
  expanded.partition_epoch = 1;
  ASSERT_TRUE(cluster.register_broker(2, true));
  const auto late = cluster.fold_in(partition_changed(topic_id(1), 0, behind, expanded));
  EXPECT_EQ(late.error().code(), Errc::fenced_leader_epoch);
}

TEST(FoldBrokers, ABrokerWithReplicasIsNotRemoved) {
  FoldedCluster cluster;
  cluster.start_brokers(2);
  ASSERT_TRUE(cluster.create(1, {partition_of(nodes({1, 2}))}));
  cluster::MetadataRecord record;
  record.mutable_broker_removed()->set_node_id(2);
  EXPECT_EQ(cluster.fold_in(record).error().code(), Errc::invalid_request);
  cluster::MetadataRecord deletion;
  deletion.mutable_topic_deleted()->set_id(testing::bytes_text(topic_id(1)));
  ASSERT_TRUE(cluster.fold_in(deletion));
  ASSERT_TRUE(cluster.fold_in(record));
  EXPECT_EQ(cluster.image.broker(NodeId{2}), nullptr);
}

TEST(FoldPartitions, AChangeOfAnotherEpochIsRefused) {
  FoldedCluster cluster;
  cluster.start_brokers(3);
  const auto before = partition_of(nodes({1, 2, 3}));
  ASSERT_TRUE(cluster.create(1, {before}));
  PartitionImage after = before;
  after.in_sync = nodes({1, 2});
  after.partition_epoch = 1;
  const auto record = partition_changed(topic_id(1), 0, before, after);
  ASSERT_TRUE(cluster.fold_in(record));
  EXPECT_EQ(cluster.partition(1), after);
  EXPECT_EQ(cluster.fold_in(record).error().code(), Errc::fenced_leader_epoch);
}

TEST(FoldPartitions, WhatNoPartitionCanBeIsRefused) {
  FoldedCluster cluster;
  cluster.start_brokers(3);
  const auto before = partition_of(nodes({1, 2}));
  ASSERT_TRUE(cluster.create(1, {before}));
  const auto refusal = [&](auto change) {
    PartitionImage after = before;
    after.partition_epoch = 1;
    after.leader_epoch = LeaderEpoch{1};
    change(after);
    const auto folded = cluster.fold_in(partition_changed(topic_id(1), 0, before, after));
    return folded ? std::string("accepted") : std::string(name_of(folded.error().code()));
  };
  const std::string refused = "invalid_argument";
  EXPECT_EQ(refusal([](PartitionImage& p) { p.replicas.clear(); }), refused);
  EXPECT_EQ(refusal([](PartitionImage& p) { p.in_sync.clear(); }), refused);
  EXPECT_EQ(refusal([](PartitionImage& p) { p.leader = NodeId{3}; }), refused);
  EXPECT_EQ(refusal([](PartitionImage& p) { p.in_sync = nodes({2}); }), refused);
  EXPECT_EQ(refusal([](PartitionImage& p) { p.replicas = nodes({1, 2, 2}); }), refused);
  EXPECT_EQ(refusal([](PartitionImage& p) { p.adding = nodes({3}); }), refused);
  EXPECT_EQ(refusal([](PartitionImage& p) { p.partition_epoch = 2; }), refused);
  EXPECT_EQ(refusal([](PartitionImage& p) {
              p.leader = NodeId{2};
              p.leader_epoch = LeaderEpoch{0};
            }),
            refused);
  EXPECT_EQ(refusal([](PartitionImage& p) { p.leader = NodeId{2}; }), "accepted");
}

TEST(FoldPartitions, AnotherBoundForAcknowledgementsEndsEligibility) {
  FoldedCluster cluster;
  cluster.start_brokers(2);
  auto partition = partition_of(nodes({1, 2}));
  partition.in_sync = nodes({1});
  partition.eligible = nodes({2});
  ASSERT_TRUE(cluster.create(1, {partition}, {{"min.insync.replicas", "2"}}));
  cluster::MetadataRecord record;
  record.mutable_topic_config_set()->set_topic_id(testing::bytes_text(topic_id(1)));
  record.mutable_topic_config_set()->set_key("min.insync.replicas");
  record.mutable_topic_config_set()->set_value("1");
  ASSERT_TRUE(cluster.fold_in(record));
  EXPECT_TRUE(cluster.partition(1).eligible.empty());
  EXPECT_EQ(cluster.partition(1).partition_epoch, 1u);
}

}  // namespace
}  // namespace sluice::broker
