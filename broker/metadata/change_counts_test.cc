#include "broker/metadata/change_counts.h"

#include <gtest/gtest.h>

#include "tests/support/cluster_images.h"

namespace sluice::broker {
namespace {

using testing::nodes;
using testing::partition_of;
using testing::topic_id;

class ChangeCountsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = partition_of(nodes({1, 2, 3, 4}));
    before_.in_sync = nodes({1, 2});
    before_.eligible = nodes({3});
    ASSERT_TRUE(cluster_.create(1, {before_}));
  }
  ChangeCounts count(const PartitionImage& after) {
    MetadataRecords records;
    records.push_back(partition_changed(topic_id(1), 0, before_, after));
    return count_changes(cluster_.image, records);
  }
  testing::FoldedCluster cluster_;
  PartitionImage before_;
};

TEST_F(ChangeCountsTest, AnotherLeaderIsAnElection) {
  PartitionImage after = before_;
  after.leader = NodeId{2};
  EXPECT_EQ(count(after), (ChangeCounts{.elections = 1}));
  after.leader = NodeId{3};
  EXPECT_EQ(count(after), (ChangeCounts{.elections = 1}));
  after.leader = NodeId{-1};
  EXPECT_EQ(count(after), ChangeCounts{});
}

TEST_F(ChangeCountsTest, OneFromOutsideOfTheSetsIsUnclean) {
  PartitionImage after = before_;
  after.leader = NodeId{4};
  after.in_sync = nodes({4});
  EXPECT_EQ(count(after), (ChangeCounts{1, 1, 1, 1}));
}

TEST_F(ChangeCountsTest, InSyncSetsGrowAndShrink) {
  PartitionImage after = before_;
  after.in_sync = nodes({1});
  EXPECT_EQ(count(after), (ChangeCounts{.shrinks = 1}));
  after.in_sync = nodes({2, 1, 3});
  EXPECT_EQ(count(after), (ChangeCounts{.expands = 1}));
}

TEST_F(ChangeCountsTest, WhatIsGoneByNowCountsForNothing) {
  MetadataRecords records;
  records.push_back(partition_changed(topic_id(9), 0, before_, before_));
  records.push_back(partition_changed(topic_id(1), 7, before_, before_));
  EXPECT_EQ(count_changes(cluster_.image, records), ChangeCounts{});
}

}  // namespace
}  // namespace sluice::broker
