// What a consumer holds, and asks for, at most.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/client_world.h"

namespace sluice::client {
namespace {

class ConsumerMemoryTest : public ClientWorld {
 protected:
  size_t used() { return consumer().metrics().buffer_used; }
};

TEST_F(ConsumerMemoryTest, AReaderThatStopsHoldsNoMoreThanItsMemory) {
  broker.add_topic("t", 4);
  consuming.fetch_buffer_memory = 200'000;
  for (size_t i = 0; i < 4; ++i) fill(i, 100, 1, 10'000);
  ASSERT_TRUE(assign());
  for (int i = 0; i < 100; ++i) {
    sim.run_for(10ms);
    ASSERT_LE(used(), 200'000u);
  }
  EXPECT_GT(used(), 60'000u);
}

TEST_F(ConsumerMemoryTest, EverythingArrivesThroughASmallBuffer) {
  broker.add_topic("t", 4);
  consuming.fetch_buffer_memory = 50'000;
  for (size_t i = 0; i < 4; ++i) fill(i, 50, 1, 10'000);
  ASSERT_TRUE(assign());
  size_t count = 0;
  while (count < 200) {
    const auto got = poll(7);
    ASSERT_TRUE(got);
    ASSERT_FALSE(got->empty());
    count += got->size();
    ASSERT_LE(used(), 60'000u);
  }
}

TEST_F(ConsumerMemoryTest, ABatchAboveTheMemoryComesAlone) {
  broker.add_topic("t", 2);
  consuming.fetch_buffer_memory = 20'000;
  fill(0, 3, 1, 100'000);
  fill(1, 3, 1, 100'000);
  ASSERT_TRUE(assign());
  for (int i = 0; i < 6; ++i) {
    const auto got = poll(10);
    ASSERT_TRUE(got);
    ASSERT_EQ(got->size(), 1u) << i;
    EXPECT_LT(used(), 110'000u);
  }
}

TEST_F(ConsumerMemoryTest, NoFetchAsksForMoreThanThereIsRoomFor) {
  broker.add_topic("t", 2);
  consuming.fetch_buffer_memory = 64 * 1024;
  fill(0, 20, 1, 5'000);
  ASSERT_TRUE(assign());
  ASSERT_TRUE(poll(20));
  EXPECT_LE(broker.largest_fetch, 64u * 1024);
}

TEST_F(ConsumerMemoryTest, APausedPartitionDoesNotHoldTheMemoryOfTheOthers) {
  broker.add_topic("t", 2);
  consuming.fetch_buffer_memory = 60'000;
  fill(0, 100, 1, 1'000);
  fill(1, 100, 1, 5'000);
  ASSERT_TRUE(assign());
  sim.run_for(50ms);
  ASSERT_TRUE(consumer().assignment().pause({"t", PartitionId(0)}, true));
  size_t count = 0;
  while (count < 100) {
    const auto got = poll(10);
    ASSERT_TRUE(got);
    ASSERT_FALSE(got->empty());
    count += got->size();
  }
}

TEST_F(ConsumerMemoryTest, WhatArrivesForAPausedPartitionIsDroppedAndFetchedAgain) {
  broker.add_topic("t", 1);
  fill(0, 10, 1, 1'000);
  ASSERT_TRUE(assign());
  ASSERT_TRUE(sim.run_until([&] { return broker.fetches > 0; }, 1s));
  ASSERT_TRUE(consumer().assignment().pause({"t", PartitionId(0)}, true));
  sim.run_for(50ms);
  EXPECT_EQ(used(), 0u);
  ASSERT_TRUE(consumer().assignment().pause({"t", PartitionId(0)}, false));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(poll(1)->front(), "0:" + std::to_string(i));
}

TEST_F(ConsumerMemoryTest, TheNextFetchIsUnderWayWhileRecordsAreRead) {
  broker.add_topic("t", 1);
  consuming.fetch_partition_bytes = 50'000;
  fill(0, 40, 1, 10'000);
  ASSERT_TRUE(assign());
  ASSERT_TRUE(poll(1));
  for (int i = 1; i < 40; ++i) {
    sim.run_for(20ms);
    const auto before = sim.now();
    ASSERT_EQ(poll(1)->size(), 1u);
    EXPECT_LT(sim.now() - before, 200us) << i;
  }
}

TEST_F(ConsumerMemoryTest, AThousandPartitionsAreReadWithFewFetches) {
  broker.add_topic("t", 1000);
  for (size_t i = 0; i < 1000; ++i) fill(i, 2, 5);
  ASSERT_TRUE(assign());
  size_t count = 0;
  while (count < 10'000) {
    const auto got = poll(500);
    ASSERT_TRUE(got);
    ASSERT_FALSE(got->empty());
    count += got->size();
  }
  EXPECT_EQ(count, 10'000u);
  EXPECT_LT(broker.fetches, 100);
  EXPECT_LT(broker.metadatas, 5);
}

}  // namespace
}  // namespace sluice::client
