#include "broker/metadata/balance.h"

#include <gtest/gtest.h>

#include "tests/support/cluster_images.h"

namespace sluice::broker {
namespace {

using testing::FoldedCluster;
using testing::nodes;
using testing::partition_of;

constexpr size_t kBytes = 64 * 1024;

/// `count` partitions that broker 2 should lead, `elsewhere` of which broker 3 does.
std::vector<PartitionImage> partitions_of(size_t count, size_t elsewhere) {
  std::vector<PartitionImage> partitions(count, partition_of(nodes({2, 3})));
  for (size_t i = 0; i < elsewhere; ++i) partitions[i].leader = NodeId{3};
  return partitions;
}

class BalanceTest : public ::testing::Test {
 protected:
  BalanceTest() { cluster.start_brokers(3); }
  size_t count(size_t bytes = kBytes) const {
    return balance_leaders(cluster.image, BrokerStates(cluster.image), 10, bytes).size();
  }
  FoldedCluster cluster;
};

TEST_F(BalanceTest, AFewLeadersElsewhereAreLeftAlone) {
  ASSERT_TRUE(cluster.create(1, partitions_of(20, 2)));
  EXPECT_EQ(count(), 0u);
  ASSERT_TRUE(cluster.create(2, partitions_of(1, 1)));
  EXPECT_EQ(count(), 3u);
}

TEST_F(BalanceTest, NobodyLeadsWhoIsOutOfSyncOrFencedOrOnAMove) {
  auto partitions = partitions_of(3, 3);
  partitions[0].in_sync = nodes({3});
  partitions[1].adding = nodes({2});
  ASSERT_TRUE(cluster.create(1, partitions));
  EXPECT_EQ(count(), 1u);
  ASSERT_TRUE(cluster.set_fenced(2, true));
  EXPECT_EQ(count(), 0u);
}

TEST_F(BalanceTest, ACommandHasABound) {
  ASSERT_TRUE(cluster.create(1, partitions_of(1000, 1000)));
  EXPECT_EQ(count(), 1000u);
  EXPECT_LT(count(1000), 100u);
}

}  // namespace
}  // namespace sluice::broker
