#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/replication_world.h"

namespace sluice::broker {
namespace {

using testing::ReplicationWorld;

void second_leads(PartitionImage& partition) {
  partition.leader = NodeId{2};
  ++partition.leader_epoch;
}

bool leads_second(ReplicationWorld& world, size_t partition) {
  const PartitionKey key{world.topic, PartitionId{static_cast<int32_t>(partition)}};
  return world.broker(2).table.find(key)->leadership().leader == NodeId{2};
}

/// Until broker 2 serves what the latest image says of the topic of that name.
std::shared_ptr<bool> begin_follow(ReplicationWorld& world, std::string topic) {
  auto done = std::make_shared<bool>(false);
  world.simulator().start_on(
      world.broker(2).machine->executor().worker(0),
      [](PartitionSet& set, auto image, std::string name, auto ended) -> io::Task<void> {
        co_await set.follow(std::move(image), std::move(name));
        *ended = true;
      }(*world.broker(2).partitions, world.metadata(), std::move(topic), done));
  return done;
}

/// What broker 2's disk begins meanwhile hangs for ten seconds.
class Hang {
 public:
  explicit Hang(ReplicationWorld& world) : disk_(world.broker(2).machine->disk()) {
    disk_.set_latency(sim::DiskOp::open, 10s, 10s);
  }
  ~Hang() { disk_.set_latency(sim::DiskOp::open, 0s, 0s); }

 private:
  sim::SimDisk& disk_;
};

TEST(PartitionLanes, ADirectoryThatHangsHoldsUpOnlyItsOwnPartitions) {
  constexpr size_t kPartitions = 60;
  ReplicationWorld world(1, 3, 0, {"/one", "/two"});
  world.create({1, 2, 3}, {}, kPartitions);
  ASSERT_TRUE(world.until([&] { return world.broker(2).table.size() == kPartitions; }));
  std::vector<size_t> hanging;
  std::vector<size_t> others;
  for (const auto& partition : world.broker(2).table.all()) {
    const auto id = static_cast<size_t>(partition->key().partition.value());
    (partition->log().directory() == "/one" ? hanging : others).push_back(id);
  }
  // More than may change at once.
  ASSERT_GT(hanging.size(), 16U);
  ASSERT_GT(others.size(), 16U);
  {
    const Hang hang(world);
    for (const size_t id : hanging) world.change(second_leads, id);
  }
  for (const size_t id : others) world.change(second_leads, id);
  const auto lead = [&](const std::vector<size_t>& ids) {
    return std::ranges::all_of(ids, [&](size_t id) { return leads_second(world, id); });
  };
  EXPECT_TRUE(world.until([&] { return lead(others); }, 100ms));
  EXPECT_FALSE(std::ranges::any_of(hanging, [&](size_t id) { return leads_second(world, id); }));
  EXPECT_TRUE(world.until([&] { return lead(hanging); }, 60s));
}

TEST(PartitionLanes, WhoFollowsATopicWaitsForNoOther) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  {
    const Hang hang(world);
    world.change(second_leads);
  }
  const auto own = begin_follow(world, "t");
  const auto other = begin_follow(world, "u");
  EXPECT_TRUE(world.until([&] { return *other; }, 10ms));
  world.simulator().run_for(1s);
  EXPECT_FALSE(*own);
  EXPECT_TRUE(world.until([&] { return *own; }, 60s));
  EXPECT_TRUE(leads_second(world, 0));
}

TEST(PartitionLanes, WhenAHangEndsOnlyTheLatestImageCounts) {
  ReplicationWorld world;
  world.create({1, 2, 3});
  {
    const Hang hang(world);
    world.change(second_leads);
  }
  world.elect(3, {1, 2, 3});
  world.elect(2, {1, 2, 3});
  world.elect(3, {1, 2, 3});
  const auto latest = Leadership{NodeId{3}, world.image().leader_epoch};
  EXPECT_TRUE(world.until([&] { return world.partition(2)->leadership() == latest; }, 60s));
  world.simulator().run_for(20s);
  EXPECT_EQ(world.partition(2)->leadership(), latest);
}

}  // namespace
}  // namespace sluice::broker
