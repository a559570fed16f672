// What becomes of replicas that lost records.

#include <gtest/gtest.h>

#include "tests/support/replication_world.h"

namespace sluice::broker {
namespace {

using testing::ReplicationWorld;

const storage::TopicPartition kName{"t", PartitionId{0}};

class DamageTest : public ::testing::Test {
 protected:
  void fill(int records) {
    world.create({1, 2, 3});
    for (int i = 0; i < records; ++i) {
      ASSERT_TRUE(world.produce(1, "value " + std::to_string(i))->good());
    }
    ASSERT_TRUE(
        world.until([&] { return world.partition(2)->high_watermark() == Offset{records}; }));
    ASSERT_TRUE(
        world.until([&] { return world.partition(3)->high_watermark() == Offset{records}; }));
  }
  /// A bit of the record at `offset`, on that broker's device.
  void flip(int32_t id, int64_t offset) {
    auto& broker = world.broker(id);
    const auto read = world.run(
        broker, world.log(id).read({.from = Offset{offset}, .bound = world.log(id).ends().end}));
    ASSERT_TRUE(read.has_value());
    const uint64_t position = read->slice.position + 65;
    auto file = world.run(
        broker, broker.machine->disk().open(read->slice.file->path(), io::OpenMode::write));
    std::byte byte;
    ASSERT_TRUE(
        world.run(broker, (*file)->read_at(position, MutableBytes(&byte, 1), io::Lane::cold)));
    byte ^= std::byte{16};
    const ByteView bytes(&byte, 1);
    ASSERT_TRUE(
        world.run(broker, (*file)->write_at(position, std::span(&bytes, 1), io::Lane::cold)));
  }
  /// As a scrub does.
  void look(int32_t id) { world.broker(id).logs->check(kName, Offset{0}); }
  bool damaged_is(std::vector<NodeId> nodes) const { return world.image().damaged == nodes; }
  void expect_all_whole() {
    EXPECT_TRUE(world.until([&] { return damaged_is({}) && world.in_sync_is({1, 2, 3}); }, 20s));
    EXPECT_TRUE(world.until([&] { return world.same_logs({1, 2, 3}); }));
    for (const int32_t id : {1, 2, 3}) {
      world.broker(id).logs->check(kName, Offset{0});
      world.simulator().run_for(1s);
      ASSERT_NE(world.partition(id), nullptr);
      EXPECT_EQ(world.log(id).damage().value_or(""), "") << "broker " << id;
    }
  }

  ReplicationWorld world;
};

TEST_F(DamageTest, AFollowerLeavesTheSetIsRepairedAndComesBack) {
  fill(20);
  flip(2, 7);
  look(2);
  ASSERT_TRUE(world.until([&] { return damaged_is({NodeId{2}}); }));
  EXPECT_TRUE(world.in_sync_is({1, 3})) << "with the report, not after it";
  ASSERT_TRUE(world.produce(1, "meanwhile")->good());
  expect_all_whole();
  EXPECT_EQ(world.values(2).size(), 21U);
  EXPECT_EQ(world.values(2)[7], "value 7");
  EXPECT_EQ(world.damage_reports, 1);
}

TEST_F(DamageTest, ALeaderIsReplacedAtOnceAndRepairedFromWhoFollowedIt) {
  fill(20);
  flip(1, 3);
  look(1);
  ASSERT_TRUE(world.until([&] { return damaged_is({NodeId{1}}); }));
  EXPECT_EQ(world.image().leader, NodeId{2});
  EXPECT_TRUE(world.in_sync_is({2, 3}));
  ASSERT_TRUE(world.produce(2, "new")->good());
  expect_all_whole();
  EXPECT_EQ(world.values(1).size(), 21U);
}

TEST_F(DamageTest, ALeaderWithTheOnlyReplicaInSyncStaysAndTakesNothing) {
  fill(5);
  world.cut_off(2);
  world.cut_off(3);
  const auto waits = world.begin(1, "until they are dropped", Acks::all, 60s);
  ASSERT_TRUE(world.until([&] { return world.in_sync_is({1}); }, 30s));
  flip(1, 3);
  look(1);
  ASSERT_TRUE(world.until([&] { return damaged_is({NodeId{1}}); }));
  EXPECT_TRUE(world.in_sync_is({1}));
  EXPECT_EQ(world.image().leader, NodeId{1});
  EXPECT_EQ(world.produce(1, "refused")->code(), Errc::partition_corrupt);
}

TEST_F(DamageTest, ALeaderAloneInSyncIsRepairedFromFollowersThatHaveWhatItLost) {
  fill(5);
  world.cut_off(2);
  world.cut_off(3);
  const auto waits = world.begin(1, "only the leader has it", Acks::all, 60s);
  ASSERT_TRUE(world.until([&] { return world.in_sync_is({1}); }, 30s));
  flip(1, 3);
  look(1);
  ASSERT_TRUE(world.until([&] { return damaged_is({NodeId{1}}); }));
  // None of them gets on, so that nobody but the leader has everything.
  world.on_payload = [](NodeId to, MutableBytes payload) {
    if (to != NodeId{1} && !payload.empty()) payload.back() ^= std::byte{1};
  };
  world.reconnect(2);
  world.reconnect(3);
  EXPECT_TRUE(world.until([&] { return damaged_is({}); }, 30s));
  EXPECT_EQ(world.image().leader, NodeId{1});
  EXPECT_EQ(world.values(1).size(), 6U);
  world.on_payload = nullptr;
  expect_all_whole();
  EXPECT_EQ(world.values(1)[3], "value 3");
}

TEST_F(DamageTest, WhatOnlyTheDamagedLeaderHadStaysReported) {
  fill(5);
  world.cut_off(2);
  world.cut_off(3);
  const auto waits = world.begin(1, "only the leader has it", Acks::all, 60s);
  ASSERT_TRUE(world.until([&] { return world.in_sync_is({1}); }, 30s));
  flip(1, 5);
  look(1);
  ASSERT_TRUE(world.until([&] { return damaged_is({NodeId{1}}); }));
  world.reconnect(2);
  world.reconnect(3);
  world.simulator().run_for(20s);
  EXPECT_TRUE(damaged_is({NodeId{1}}));
  EXPECT_TRUE(world.in_sync_is({1}));
  EXPECT_EQ(world.produce(1, "refused")->code(), Errc::partition_corrupt);
  EXPECT_EQ(world.values(2).size(), 5U);
}

TEST_F(DamageTest, AFollowerThatGetsRotTwiceMakesItsLeaderLook) {
  fill(5);
  world.cut_off(2);
  const auto lagging = world.begin(1, "rots");
  ASSERT_TRUE(world.until([&] { return world.in_sync_is({1, 3}); }, 30s));
  ASSERT_TRUE(world.until([&] { return world.log(3).ends().end == Offset{6}; }));
  flip(1, 5);
  EXPECT_FALSE(world.log(1).is_damaged());
  world.reconnect(2);
  ASSERT_TRUE(world.until([&] { return damaged_is({NodeId{1}}); }));
  EXPECT_EQ(world.image().leader, NodeId{3});
  expect_all_whole();
  EXPECT_EQ(world.values(2).back(), "rots");
}

TEST_F(DamageTest, WhoCountsAsDamagedIsReadBeforeItCountsAsWhole) {
  fill(20);
  flip(3, 11);
  // As after a restart: the controller knows of damage that this start did not see.
  world.change([](PartitionImage& partition) {
    partition.damaged = {NodeId{3}};
    partition.in_sync = {NodeId{1}, NodeId{2}};
  });
  expect_all_whole();
  EXPECT_EQ(world.values(3)[11], "value 11");
}

TEST_F(DamageTest, DamageOnTwoOfThreeIsRepairedFromTheThird) {
  fill(30);
  flip(2, 4);
  flip(3, 4);
  flip(3, 25);
  look(2);
  look(3);
  ASSERT_TRUE(world.until([&] { return world.damage_reports == 2; }));
  expect_all_whole();
}

}  // namespace
}  // namespace sluice::broker
