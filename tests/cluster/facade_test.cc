// The client library as programs call it: blocking, on threads of their own.

#include <future>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/cluster/node.h"

namespace sluice::cluster {
namespace {

using client::Partition;

class Facade : public testing::Test {
 protected:
  Facade() {
    node_.start();
    client_ = node_.client();
    EXPECT_TRUE(client_->admin()->create_topic({.name = "t", .partitions = 1, .configs = {}}));
  }
  /// Ten records in t-0.
  void fill() {
    const auto producer = client_->producer();
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(producer->send("t", {.value = "v", .partition = PartitionId(0)}));
    }
    ASSERT_TRUE(producer->flush());
  }

  Node node_;
  std::unique_ptr<client::Client> client_;
};

TEST_F(Facade, AFutureTellsWhereARecordWent) {
  const auto producer = client_->producer();
  std::vector<std::future<Result<client::Delivery>>> futures;
  for (int i = 0; i < 100; ++i) futures.push_back(producer->send_future("t", {.value = "v"}));
  for (size_t i = 0; i < futures.size(); ++i) {
    const auto delivery = futures[i].get();
    ASSERT_TRUE(delivery) << delivery.error().message();
    EXPECT_EQ(delivery->offset, Offset(static_cast<int64_t>(i)));
  }
}

TEST_F(Facade, AFutureTellsWhyARecordWasNotSent) {
  const auto producer = client_->producer();
  const auto delivery =
      producer->send_future("t", {.value = "v", .partition = PartitionId(7)}).get();
  ASSERT_FALSE(delivery);
  EXPECT_EQ(delivery.error(), Errc::unknown_topic_or_partition);
}

TEST_F(Facade, WatermarksFollowDeletedRecords) {
  fill();
  const Partition partition{"t", PartitionId(0)};
  const auto consumer = client_->consumer();
  EXPECT_EQ(*consumer->watermarks(partition), std::pair(Offset(0), Offset(10)));
  EXPECT_EQ(*client_->admin()->delete_records(partition, Offset(4)), Offset(4));
  EXPECT_EQ(*consumer->watermarks(partition), std::pair(Offset(4), Offset(10)));
  EXPECT_EQ(client_->admin()->delete_records(partition, Offset(11)).error(),
            Errc::offset_out_of_range);
}

TEST_F(Facade, TheClusterIsTheBrokerThatWasStarted) {
  const auto info = client_->admin()->cluster();
  ASSERT_TRUE(info);
  EXPECT_EQ(info->cluster_id.size(), 22u);
  ASSERT_EQ(info->brokers.size(), 1u);
  EXPECT_EQ(info->brokers[0].host + ":" + std::to_string(info->brokers[0].port),
            node_.broker().address());
}

}  // namespace
}  // namespace sluice::cluster
