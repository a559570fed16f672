#include "client/admin/core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/client_world.h"

namespace sluice::client {
namespace {

using testing::HasSubstr;

class AdminTest : public ClientWorld {
 protected:
  AdminTest() {
    broker.add_topic("t", 1);
    fill(0, 10, 1);
  }
  Result<Offset> delete_records(int32_t partition, int64_t before) {
    return sim.run_on(
        loop(), AdminCore(cluster()).delete_records({"t", PartitionId(partition)}, Offset(before)));
  }
};

TEST_F(AdminTest, NamesTheClusterAndItsBrokers) {
  AdminCore admin(cluster());
  const auto info = sim.run_on(loop(), admin.cluster());
  ASSERT_TRUE(info);
  EXPECT_EQ(info->cluster_id, "fake");
  EXPECT_EQ(info->controller, NodeId(1));
  ASSERT_EQ(info->brokers.size(), 1u);
  EXPECT_EQ(info->brokers[0].id, NodeId(1));
  EXPECT_EQ(info->brokers[0].host, "broker");
  EXPECT_EQ(info->brokers[0].port, FakeBroker::kPort);
}

TEST_F(AdminTest, DeletesRecordsBelowAnOffsetAndSaysWhereTheLogBegins) {
  EXPECT_EQ(*delete_records(0, 4), Offset(4));
  EXPECT_EQ(broker.topics.at("t").partitions[0].log_start, 4);
  EXPECT_EQ(*delete_records(0, 2), Offset(4));
  EXPECT_EQ(*delete_records(0, -1), Offset(10));
}

TEST_F(AdminTest, SaysOfWhichTopicRecordsCouldNotBeDeleted) {
  const auto refused = delete_records(0, 11);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::offset_out_of_range);
  EXPECT_THAT(refused.error().message(), HasSubstr("t-0"));
  broker.topics.erase("t");
  EXPECT_EQ(delete_records(0, 1).error(), Errc::unknown_topic_or_partition);
}

}  // namespace
}  // namespace sluice::client
