#include "broker/service/metadata.h"

#include <gtest/gtest.h>

#include "tests/support/cluster_images.h"

namespace sluice::broker {
namespace {

TEST(MetadataAnswer, ReplicasOfFencedAndUnknownBrokersAreOffline) {
  testing::FoldedCluster cluster;
  cluster.start_brokers(3);
  ASSERT_TRUE(cluster.set_fenced(2, true));
  MetadataAnswer answer;
  answer.image = std::make_shared<const MetadataImage>(cluster.image);
  EXPECT_EQ(answer.offline(testing::partition_of(testing::nodes({1, 2, 3, 9}))),
            testing::nodes({2, 9}));
}

}  // namespace
}  // namespace sluice::broker
