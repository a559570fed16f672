#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/client_world.h"

namespace sluice::client {
namespace {

using testing::ElementsAre;

/// Broker 1 in rack a leads "t", broker 2 in rack b follows it with all that it has; the client
/// stands in rack b.
class NearestTest : public ClientWorld {
 protected:
  NearestTest() {
    EXPECT_TRUE(sim.run_on(second_loop(), second.start()));
    broker.others[2] = "second";
    second.others[1] = "broker";
    broker.racks = second.racks = {{1, "a"}, {2, "b"}};
    broker.add_topic("t", 1).partitions[0].followers = {2};
    second.add_topic("t", 1);
    options.brokers = {"broker:9092", "second:9092"};
    consuming.rack = "b";
    fill(0, 5, 1);
    replicate();
  }
  void TearDown() override {
    ClientWorld::TearDown();
    sim.run_on(second_loop(), second.stop());
  }
  io::Loop& second_loop() { return other.runtime().executor.worker(0); }
  FakeBroker::Partition& led() { return broker.topics.at("t").partitions[0]; }
  FakeBroker::Partition& followed() { return second.topics.at("t").partitions[0]; }
  void replicate() {
    followed() = led();
    second.changed();
  }
  /// Polls until so many records came.
  size_t read(size_t count) {
    size_t read = 0;
    while (read < count) {
      const auto got = poll(10, Milliseconds(20'000));
      EXPECT_TRUE(got) << got.error().message();
      if (!got || got->empty()) break;
      read += got->size();
    }
    return read;
  }

  sim::SimNode& other = sim.add_node("second");
  FakeBroker second{other.runtime(), "second", 2};
};

TEST_F(NearestTest, AReplicaInSyncInTheClientsRackIsReadFrom) {
  ASSERT_TRUE(assign());
  EXPECT_EQ(read(5), 5U);
  EXPECT_EQ(second.served, 5);
  EXPECT_EQ(broker.served, 0);
  EXPECT_GT(consumer().metrics().bytes_from_followers, 0U);
}

TEST_F(NearestTest, WithoutARackTheLeaderIs) {
  consuming.rack = "";
  ASSERT_TRUE(assign());
  EXPECT_EQ(read(5), 5U);
  EXPECT_EQ(broker.served, 5);
  EXPECT_EQ(consumer().metrics().bytes_from_followers, 0U);
}

TEST_F(NearestTest, WhatTheFollowerDoesNotHaveYetComesFromTheLeader) {
  fill(0, 5, 1);
  ASSERT_TRUE(assign(Offset(8)));
  EXPECT_THAT(*poll(10, Milliseconds(20'000)), ElementsAre("0:3", "0:4"));
  EXPECT_EQ(broker.served, 2);
  EXPECT_EQ(second.served, 0);
}

TEST_F(NearestTest, AFollowerThatGoesAwayIsReplacedByTheLeaderAndReadFromAgainLater) {
  ASSERT_TRUE(assign());
  EXPECT_EQ(read(5), 5U);
  followed().followers = {};
  led().followers = {};
  second.changed();
  fill(0, 5, 1);
  EXPECT_EQ(read(5), 5U);
  EXPECT_EQ(broker.served, 5);
  led().followers = {2};
  replicate();
  sim.run_for(30s);
  fill(0, 5, 1);
  replicate();
  EXPECT_EQ(read(5), 5U);
  EXPECT_EQ(broker.served, 5);
  EXPECT_EQ(second.served, 10);
}

TEST_F(NearestTest, ABrokenConnectionToTheFollowerLosesNoRecord) {
  ASSERT_TRUE(assign());
  EXPECT_EQ(read(5), 5U);
  sim.run_on(second_loop(), second.stop());
  fill(0, 5, 1);
  EXPECT_EQ(read(5), 5U);
  EXPECT_TRUE(sim.run_on(second_loop(), second.start()));
}

TEST_F(NearestTest, AReplicaThatComesIntoSyncLaterIsFound) {
  led().followers = {};
  ASSERT_TRUE(assign());
  EXPECT_EQ(read(5), 5U);
  EXPECT_EQ(broker.served, 5);
  led().followers = {2};
  replicate();
  sim.run_for(30s);
  fill(0, 5, 1);
  replicate();
  EXPECT_EQ(read(5), 5U);
  EXPECT_EQ(second.served, 5);
}

TEST_F(NearestTest, AnEndIsAskedOfTheLeader) {
  fill(0, 5, 1);
  ASSERT_TRUE(assign(SeekEnd{}));
  EXPECT_TRUE(poll(1, Milliseconds(100))->empty());
  EXPECT_EQ(*consumer().assignment().position({"t", PartitionId(0)}), Offset(10));
}

}  // namespace
}  // namespace sluice::client
