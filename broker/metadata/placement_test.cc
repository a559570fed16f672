#include "broker/metadata/placement.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "broker/metadata/elections.h"
#include "tests/support/cluster_images.h"

namespace sluice::broker {
namespace {

using testing::nodes;

/// Brokers 1, 2, ... with these racks.
MetadataImage image_of(const std::vector<std::string>& racks) {
  MetadataImage image;
  for (const std::string& rack : racks) {
    const NodeId id{static_cast<int32_t>(image.brokers.size()) + 1};
    image.brokers.push_back({.id = id, .host = "host", .port = 1, .rack = rack});
  }
  return image;
}

size_t racks_of(const MetadataImage& image, const PartitionImage& partition) {
  std::set<std::string> racks;
  for (const NodeId id : partition.replicas) racks.insert(image.broker(id)->rack);
  return racks.size();
}

TEST(Placement, EveryReplicaIsInARackOfItsOwnAndLeadersAreEven) {
  const MetadataImage image = image_of({"a", "a", "b", "b", "c", "c"});
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto placed = place(image, 12, 3, seed);
    ASSERT_TRUE(placed);
    std::map<NodeId, int> leads;
    for (const PartitionImage& partition : *placed) {
      EXPECT_EQ(racks_of(image, partition), 3u);
      EXPECT_TRUE(check_partition(partition));
      EXPECT_EQ(partition.leader, partition.replicas.front());
      ++leads[partition.leader];
    }
    for (const auto& [id, count] : leads) EXPECT_EQ(count, 2) << id.value();
  }
}

TEST(Placement, RacksThatDifferInSizeAreAllUsed) {
  const MetadataImage image = image_of({"a", "a", "a", "a", "b"});
  const auto placed = place(image, 50, 3, 9);
  ASSERT_TRUE(placed);
  for (const PartitionImage& partition : *placed) {
    EXPECT_EQ(racks_of(image, partition), 2u);
    EXPECT_EQ(partition.replicas.size(), 3u);
    EXPECT_TRUE(check_partition(partition));
  }
}

TEST(Placement, FollowersOfOneLeaderAreNotAlwaysTheSame) {
  const MetadataImage image = image_of({"", "", "", "", ""});
  const auto placed = place(image, 20, 2, 3);
  ASSERT_TRUE(placed);
  std::set<NodeId> followers;
  for (const PartitionImage& partition : *placed) {
    if (partition.leader == NodeId{1}) followers.insert(partition.replicas[1]);
  }
  EXPECT_GE(followers.size(), 3u);
}

TEST(Placement, SeedsBeginAtDifferentBrokers) {
  const MetadataImage image = image_of({"a", "b", "c"});
  std::set<NodeId> first;
  for (uint64_t seed = 0; seed < 9; ++seed) first.insert(place(image, 1, 3, seed)->front().leader);
  EXPECT_EQ(first.size(), 3u);
}

TEST(Placement, FencedAndDrainingBrokersGetNothing) {
  MetadataImage image = image_of({"a", "b", "c", "d"});
  image.brokers[0].fenced = true;
  image.brokers[1].draining = true;
  const auto placed = place(image, 10, 2, 5);
  ASSERT_TRUE(placed);
  for (const PartitionImage& partition : *placed) {
    EXPECT_FALSE(has(partition.replicas, NodeId{1}));
    EXPECT_FALSE(has(partition.replicas, NodeId{2}));
  }
  const auto refused = place(image, 1, 3, 5);
  EXPECT_EQ(refused.error().code(), Errc::invalid_replication);
  EXPECT_EQ(refused.error().message(),
            "replication factor 3 needs 3 brokers, 2 are there (2 more fenced or draining); start "
            "more or use a replication factor of 2");
}

TEST(Placement, WhoLeavesIsReplacedInAnotherRackByTheLeastLoaded) {
  const MetadataImage image = image_of({"a", "b", "c", "c", "a"});
  const std::vector<uint64_t> load = {1, 1, 9, 5, 0};
  EXPECT_EQ(place_instead(image, nodes({1, 2}), NodeId{2}, load), NodeId{4});
  const MetadataImage small = image_of({"a", "b"});
  EXPECT_EQ(place_instead(small, nodes({1, 2}), NodeId{2}, load), NodeId{-1});
}

}  // namespace
}  // namespace sluice::broker
