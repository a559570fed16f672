// Brokers that must not be let in, and the one that runs is not disturbed by them.

#include <gmock/gmock.h>

#include "tests/support/cluster_world.h"

namespace sluice::broker {
namespace {

using testing::ClusterWorld;
using ::testing::HasSubstr;

constexpr const char* kProperties = "/data/meta.properties";

class BadMembersTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(world.start_all()); }
  /// What the broker ends its start with.
  Error refusal(int32_t id) {
    EXPECT_FALSE(world.start(id));
    auto& broker = world.broker(id);
    if (!broker.started || *broker.started) return Error(Errc::internal, "it started");
    return broker.started->error();
  }
  Uuid directory_of(int32_t id) {
    return world.node(1).metadata().image()->broker(NodeId{id})->directory_id;
  }
  uint64_t epoch_of(int32_t id) {
    return world.node(1).metadata().image()->broker(NodeId{id})->epoch;
  }

  ClusterWorld world;
};

TEST_F(BadMembersTest, ASecondBrokerWithAnIdIsRefusedWithBothDirectories) {
  const uint64_t epoch = epoch_of(2);
  world.broker(9).poses_as = 2;
  const Error why = refusal(9);
  EXPECT_EQ(why, Errc::wrong_cluster);
  const std::string text(why.message());
  EXPECT_THAT(text, HasSubstr("broker 2 has the metadata directory with the id " +
                              directory_of(2).text() + ", not "));
  EXPECT_THAT(text, HasSubstr("choose a new node.id"));
  world.pass(3s);
  EXPECT_EQ(epoch_of(2), epoch);
  EXPECT_FALSE(world.fenced(1, 2));
}

TEST_F(BadMembersTest, AWipedDiskUnderAnOldIdIsRefusedWithTheWayOut) {
  const std::string before = directory_of(3).text();
  world.stop(3);
  world.broker(3).disk = {};
  const Error why = refusal(3);
  EXPECT_EQ(why, Errc::wrong_cluster);
  const std::string text(why.message());
  EXPECT_THAT(text, HasSubstr(before));
  EXPECT_THAT(text, HasSubstr("sluice cluster leave 3"));
  EXPECT_FALSE(world.fenced(1, 1));
}

TEST_F(BadMembersTest, ADirectoryOfAnotherClusterIsRefused) {
  ClusterWorld other(3, 2);
  ASSERT_TRUE(other.start_all());
  const std::string theirs = other.node(1).metadata().image()->cluster_id;
  other.stop(1);
  world.stop(1);
  // The metadata of the one with a directory of logs of the other.
  const auto foreign = other.broker(1).disk.find(kProperties);
  const auto own = world.broker(1).disk.find(kProperties);
  ASSERT_TRUE(foreign && own);
  const auto& content = other.broker(1).disk.content(*foreign);
  std::vector<std::byte> bytes(content.size());
  content.read(0, bytes);
  world.broker(1).disk.write(*own, 0, bytes);
  const Error why = refusal(1);
  EXPECT_EQ(why, Errc::wrong_cluster);
  EXPECT_THAT(std::string(why.message()), HasSubstr(theirs));
}

}  // namespace
}  // namespace sluice::broker
