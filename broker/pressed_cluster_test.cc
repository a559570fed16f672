// Brokers without memory to give to clients, and what a cluster must not lose by that.

#include <gmock/gmock.h>

#include "tests/support/cluster_world.h"

namespace sluice::broker {
namespace {

using testing::ClusterWorld;
using ::testing::HasSubstr;

constexpr io::MemoryReading kFull{.group_limit = 1'000'000, .group_held = 990'000};
constexpr io::MemoryReading kRoomy{.group_limit = 1'000'000, .group_held = 100'000};

class PressedCluster : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world.start_all());
    const auto created = world.create(1, "t", 3, {{"min.insync.replicas", "2"}});
    ASSERT_TRUE(created) << created.error().message();
    topic = *created;
    ASSERT_TRUE(world.eventually([&] { return leader() > 0 && bool(produce()); }));
    ASSERT_TRUE(world.eventually([&] { return partition().in_sync.size() == 3; }));
  }
  PartitionImage partition() { return world.partition(1, topic); }
  int32_t leader() { return partition().leader.value(); }
  /// As a service: what clients send is refused before it comes so far.
  Result<> produce() { return world.produce(leader(), topic, "v", Acks::all, 1s); }

  void press(const std::vector<int32_t>& brokers, const io::MemoryReading& reading) {
    for (const int32_t id : brokers) world.broker(id).machine->set_memory(reading);
    world.pass(1s);
  }
  bool is_critical(int32_t id) {
    return world.page(id, "/metrics").find("\nsluice_memory_pressure_level 3\n") !=
           std::string::npos;
  }
  /// A minute in which records go on being committed by all three; nobody else leads afterwards.
  void expect_to_bear(const std::vector<int32_t>& brokers) {
    const PartitionImage before = partition();
    press(brokers, kFull);
    for (const int32_t id : brokers) EXPECT_TRUE(is_critical(id)) << id;
    for (int second = 0; second < 60; ++second) {
      const auto produced = produce();
      EXPECT_TRUE(produced) << second << ": " << produced.error().message();
      for (int32_t id = 1; id <= 3; ++id) EXPECT_FALSE(world.fenced(1, id)) << id;
      world.pass(1s);
    }
    for (const int32_t id : brokers) EXPECT_TRUE(is_critical(id)) << id;
    EXPECT_EQ(partition().leader, before.leader);
    EXPECT_EQ(partition().leader_epoch, before.leader_epoch);
    EXPECT_EQ(partition().in_sync.size(), 3U);
    press(brokers, kRoomy);
    EXPECT_TRUE(world.eventually([&] { return !is_critical(brokers.front()); }));
  }

  ClusterWorld world;
  Uuid topic;
};

TEST_F(PressedCluster, ALeaderAtCriticalForAMinuteLosesNoLeadershipAndNoFollower) {
  expect_to_bear({leader()});
}

TEST_F(PressedCluster, AFollowerAtCriticalForAMinuteStaysInSync) {
  expect_to_bear({leader() % 3 + 1});
}

TEST_F(PressedCluster, AllAtCriticalForAMinuteLoseNothing) { expect_to_bear({1, 2, 3}); }

TEST_F(PressedCluster, ABrokerThatComesBackToOthersAtCriticalIsLetIn) {
  const int32_t away = leader() % 3 + 1;
  world.kill(away);
  const int32_t watched = away == 1 ? 2 : 1;
  ASSERT_TRUE(world.eventually([&] { return world.fenced(watched, away); }));
  std::vector<int32_t> others;
  for (const int32_t id : {1, 2, 3}) {
    if (id != away) others.push_back(id);
  }
  press(others, kFull);
  ASSERT_TRUE(world.start(away));
  EXPECT_TRUE(
      world.eventually([&] { return world.partition(watched, topic).in_sync.size() == 3; }, 60s));
}

}  // namespace
}  // namespace sluice::broker
