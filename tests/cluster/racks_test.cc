// Brokers in racks, and who is read from.

#include <gtest/gtest.h>

#include "tests/cluster/three_brokers.h"

namespace sluice::cluster {
namespace {

class Racks : public testing::Test {
 protected:
  void SetUp() override {
    for (int id = 1; id <= 3; ++id) {
      brokers.arguments_of[id] = {"--set",
                                  "rack=" + std::string(1, static_cast<char>('a' + id - 1))};
    }
    brokers.start();
    const auto created = brokers.client()->admin()->create_topic(
        {.name = "t", .partitions = 1, .replication_factor = 3});
    ASSERT_TRUE(created) << created.error().message();
  }
  static std::string rack_of(int id) { return std::string(1, static_cast<char>('a' + id - 1)); }
  /// Reads `count` records from a client that stands in the rack; how many bytes followers gave.
  uint64_t read_in(const std::string& rack, size_t count) {
    client::ConsumerOptions options;
    options.rack = rack;
    const auto client = brokers.client();
    const auto consumer = client->consumer(options);
    EXPECT_TRUE(consumer->assign("t"));
    size_t read = 0;
    while (read < count) {
      const auto records = consumer->poll(1000, client::Milliseconds(10'000));
      EXPECT_TRUE(records) << records.error().message();
      if (!records || records->empty()) break;
      read += records->size();
    }
    EXPECT_EQ(read, count);
    return consumer->metrics().bytes_from_followers;
  }

  ThreeBrokers brokers;
};

TEST_F(Racks, AClientReadsFromTheReplicaInItsRack) {
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += std::to_string(i) + "\n";
  ASSERT_EQ(brokers.sluice({"produce", "t", "-q"}, lines).code, 0);
  const int leader = brokers.leader_of("t");
  ASSERT_GT(leader, 0);
  for (int id = 1; id <= 3; ++id) {
    const uint64_t bytes = read_in(rack_of(id), 1000);
    if (id == leader) {
      EXPECT_EQ(bytes, 0U);
    } else {
      EXPECT_GT(bytes, 1000U) << id;
    }
  }
}

TEST_F(Racks, AClientWhoseReplicaIsKilledGoesOnElsewhere) {
  const int leader = brokers.leader_of("t");
  const int follower = leader % 3 + 1;
  ASSERT_EQ(brokers.sluice({"produce", "t", "-q"}, "one\ntwo\n").code, 0);
  EXPECT_GT(read_in(rack_of(follower), 2), 0U);
  brokers.kill(follower);
  EXPECT_EQ(read_in(rack_of(follower), 2), 0U);
  brokers.restart(follower);
}

}  // namespace
}  // namespace sluice::cluster
