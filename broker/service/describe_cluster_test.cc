#include "broker/service/describe_cluster.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

class DescribeCluster : public testing::Test {
 protected:
  DescribeCluster() {
    for (const int id : {1, 2, 3}) {
      BrokerImage broker;
      broker.id = NodeId{id};
      image.brokers.push_back(std::move(broker));
    }
    defaults.options.min_insync_replicas = 2;
  }
  static std::vector<NodeId> nodes(std::initializer_list<int> ids) {
    std::vector<NodeId> nodes;
    for (const int id : ids) nodes.emplace_back(id);
    return nodes;
  }
  ClusterDescription describe(PartitionImage partition) {
    auto topic = std::make_shared<TopicImage>();
    topic->name = "orders";
    topic->partitions.push_back(std::move(partition));
    image.topics.set(Uuid(), std::move(topic));
    return describe_cluster(image, defaults);
  }
  MetadataImage image;
  TopicDefaults defaults;
};

TEST_F(DescribeCluster, AWholePartitionIsCountedAndNothingElse) {
  const auto cluster =
      describe({.replicas = nodes({1, 2, 3}), .in_sync = nodes({1, 2, 3}), .leader = NodeId{2}});
  EXPECT_EQ(cluster.partitions, 1U);
  EXPECT_EQ(cluster.under_replicated.count + cluster.offline.count + cluster.moving.count, 0U);
  EXPECT_EQ(cluster.brokers[1].leaders, 1U);
  EXPECT_EQ(cluster.brokers[0].leaders, 0U);
  EXPECT_EQ(cluster.brokers[0].replicas, 1U);
}

TEST_F(DescribeCluster, ReplicasOutOfSyncAreCountedForTheirBroker) {
  const auto cluster =
      describe({.replicas = nodes({1, 2, 3}), .in_sync = nodes({1}), .leader = NodeId{1}});
  EXPECT_EQ(cluster.under_replicated.count, 1U);
  EXPECT_EQ(cluster.under_min_in_sync.count, 1U);
  EXPECT_EQ(cluster.brokers[2].behind, 1U);
  EXPECT_EQ(cluster.brokers[0].behind, 0U);
}

TEST_F(DescribeCluster, AReplicaThatIsBeingAddedIsNotBehind) {
  const auto cluster = describe({.replicas = nodes({1, 2, 3}),
                                 .in_sync = nodes({1, 2}),
                                 .leader = NodeId{1},
                                 .adding = nodes({3})});
  EXPECT_EQ(cluster.moving.count, 1U);
  EXPECT_EQ(cluster.under_replicated.count, 0U);
  EXPECT_EQ(cluster.brokers[2].behind, 0U);
}

TEST_F(DescribeCluster, APartitionWithoutALeaderIsOffline) {
  const auto cluster = describe({.replicas = nodes({1}), .in_sync = nodes({1})});
  EXPECT_EQ(cluster.offline.count, 1U);
  EXPECT_EQ(cluster.offline.names, std::vector<std::string>{"orders-0"});
  // One replica cannot be two in sync.
  EXPECT_EQ(cluster.under_min_in_sync.count, 0U);
}

TEST_F(DescribeCluster, OnlyTheFirstFewAreNamed) {
  auto topic = std::make_shared<TopicImage>();
  topic->name = "orders";
  PartitionImage damaged{.replicas = nodes({1, 2}), .in_sync = nodes({1}), .leader = NodeId{1}};
  damaged.damaged = nodes({2});
  topic->partitions.assign(9, damaged);
  image.topics.set(Uuid(), std::move(topic));
  const auto cluster = describe_cluster(image, defaults);
  EXPECT_EQ(cluster.damaged.count, 9U);
  EXPECT_EQ(cluster.damaged.names.size(), 5U);
  EXPECT_EQ(cluster.damaged.names.back(), "orders-4");
}

}  // namespace
}  // namespace sluice::broker
