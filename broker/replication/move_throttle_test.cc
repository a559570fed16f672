#include "broker/replication/move_throttle.h"

#include <gtest/gtest.h>

#include "tests/support/replication_world.h"

namespace sluice::broker {
namespace {

using testing::ReplicationWorld;

constexpr TimePoint kNow{std::chrono::seconds(1000)};

TEST(MoveThrottle, WithoutABoundNothingWaits) {
  MoveThrottle throttle(0);
  EXPECT_EQ(throttle.copied(1_GiB, kNow), kNow);
  EXPECT_EQ(throttle.at_most(1'000'000), 1'000'000U);
}

TEST(MoveThrottle, ManyThatCopyWaitForOneAnother) {
  MoveThrottle throttle(1000);
  EXPECT_EQ(throttle.at_most(1'000'000), 1000U);
  EXPECT_EQ(throttle.copied(1000, kNow), kNow + 800ms);
  EXPECT_EQ(throttle.copied(2000, kNow), kNow + 2800ms);
  EXPECT_LE(throttle.copied(0, kNow + 10s), kNow + 10s);
}

TEST(MoveThrottle, WhoCopiesLittleIsNotHeldBack) {
  MoveThrottle throttle(1000);
  TimePoint now = kNow;
  for (int i = 0; i < 100; ++i, now += 20ms) EXPECT_LE(throttle.copied(10, now), now);
}

/// How long broker 3 takes to copy about 20 KB at 10 KB a second.
Duration time_to_copy(ReplicationWorld& world, const std::function<void(PartitionImage&)>& how) {
  const auto begun = world.simulator().now();
  world.change(how);
  EXPECT_TRUE(world.until(
      [&] {
        const auto partition = world.partition(3);
        return partition != nullptr && partition->log().ends().end == Offset{20};
      },
      60s));
  return world.simulator().now() - begun;
}

void fill(ReplicationWorld& world) {
  world.create({1, 2});
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(world.produce(1, std::string(1000, 'x'))->good());
  }
}

TEST(MoveThrottle, AReplicaThatComesIsCopiedAtThatRate) {
  ReplicationWorld world(1, 3, 10'000);
  fill(world);
  const Duration took = time_to_copy(world, [](PartitionImage& partition) {
    partition.replicas.push_back(NodeId{3});
    partition.adding = {NodeId{3}};
  });
  EXPECT_GT(took, 1s);
  EXPECT_LT(took, 4s);
}

TEST(MoveThrottle, AReplicaThatIsNotMovedIsNot) {
  ReplicationWorld world(1, 3, 10'000);
  fill(world);
  const Duration took = time_to_copy(
      world, [](PartitionImage& partition) { partition.replicas.push_back(NodeId{3}); });
  EXPECT_LT(took, 500ms);
}

TEST(MoveThrottle, AReplicaInSyncIsNotHeldBackThoughTheMoveGoesOn) {
  ReplicationWorld world(1, 3, 10'000);
  world.create({1, 2, 3});
  world.change([](PartitionImage& partition) { partition.adding = {NodeId{3}}; });
  const auto begun = world.simulator().now();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(world.produce(1, std::string(5000, 'x'))->good());
  }
  EXPECT_LT(world.simulator().now() - begun, 1s);
}

}  // namespace
}  // namespace sluice::broker
