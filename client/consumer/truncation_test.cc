#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/client_world.h"

namespace sluice::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Offsets 0 to 9 of epoch 0 were read; each batch holds one record.
class TruncationTest : public ClientWorld {
 protected:
  void read_ten() {
    broker.add_topic("t", 1);
    fill(0, 10, 1);
    ASSERT_TRUE(assign());
    size_t read = 0;
    while (read < 10) read += poll(10)->size();
  }
  Offset position() { return *consumer().assignment().position({"t", PartitionId(0)}); }
  /// As the first poll that says anything does.
  Result<std::vector<std::string>> poll_some() { return poll(10, Milliseconds(20'000)); }
};

TEST_F(TruncationTest, IsSaidOnceAndReadingGoesOnWhereTheLogsPart) {
  read_ten();
  broker.begin_epoch("t", 0, 7);
  fill(0, 5, 1);
  const auto said = poll_some();
  ASSERT_FALSE(said);
  EXPECT_EQ(said.error(), Errc::log_truncated);
  EXPECT_THAT(std::string(said.error().message()), HasSubstr("t-0"));
  EXPECT_THAT(std::string(said.error().message()), HasSubstr("from offset 7 to 10"));
  EXPECT_EQ(position(), Offset(7));
  EXPECT_THAT(*poll_some(), ElementsAre("0:0", "0:1", "0:2", "0:3", "0:4"));
  const auto found = consumer().assignment().take_truncations();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].position, Offset(10));
  EXPECT_EQ(found[0].parts_at, Offset(7));
  EXPECT_THAT(consumer().assignment().take_truncations(), IsEmpty());
}

TEST_F(TruncationTest, ALogThatGrewPastThePositionAgainIsNoticedToo) {
  read_ten();
  broker.begin_epoch("t", 0, 3);
  fill(0, 30, 1);
  EXPECT_EQ(poll_some().error(), Errc::log_truncated);
  EXPECT_EQ(poll_some()->front(), "0:0");
  EXPECT_EQ(position(), Offset(13));
}

TEST_F(TruncationTest, AnElectionThatLostNothingIsNoNews) {
  read_ten();
  broker.begin_epoch("t", 0, 10);
  fill(0, 2, 1);
  EXPECT_THAT(*poll_some(), ElementsAre("0:0", "0:1"));
  broker.begin_epoch("t", 0, 12);
  fill(0, 1, 1);
  EXPECT_THAT(*poll_some(), ElementsAre("0:0"));
  EXPECT_THAT(consumer().assignment().take_truncations(), IsEmpty());
}

TEST_F(TruncationTest, WhatNobodyPolledYetIsExchangedWithoutAWord) {
  broker.add_topic("t", 1);
  fill(0, 10, 1);
  ASSERT_TRUE(assign());
  EXPECT_EQ(poll(4)->size(), 4U);
  broker.begin_epoch("t", 0, 6);
  fill(0, 8, 1);
  sim.run_for(1s);
  std::vector<std::string> all;
  while (all.size() < 10) {
    const auto more = poll(10);
    ASSERT_TRUE(more) << more.error().message();
    all.insert(all.end(), more->begin(), more->end());
  }
  EXPECT_THAT(all,
              ElementsAre("0:4", "0:5", "0:0", "0:1", "0:2", "0:3", "0:4", "0:5", "0:6", "0:7"));
}

TEST_F(TruncationTest, IsFoundThroughEpochsThatTheReaderNeverSaw) {
  read_ten();
  // Epochs 1 and 2 go on from offset 10, and are read; then a leader takes over that only ever had
  // epoch 0 up to 4, and wrote epoch 3.
  broker.begin_epoch("t", 0, 10);
  fill(0, 5, 1);
  EXPECT_EQ(poll_some()->size(), 5U);
  auto& partition = broker.topics.at("t").partitions[0];
  partition.leader_epoch = 3;
  partition.epoch_ends = {{0, 4}};
  broker.begin_epoch("t", 0, 4);
  fill(0, 20, 1);
  EXPECT_EQ(poll_some().error(), Errc::log_truncated);
  EXPECT_EQ(consumer().assignment().take_truncations().at(0).position, Offset(15));
  EXPECT_EQ(position(), Offset(4));
}

TEST_F(TruncationTest, ResumingSaysNothingAndGoesOn) {
  consuming.on_truncation = OnTruncation::resume;
  read_ten();
  broker.begin_epoch("t", 0, 7);
  fill(0, 2, 1);
  EXPECT_THAT(*poll_some(), ElementsAre("0:0", "0:1"));
  EXPECT_EQ(consumer().assignment().take_truncations().size(), 1U);
}

TEST_F(TruncationTest, FailingGoesOnFailingUntilASeek) {
  consuming.on_truncation = OnTruncation::fail;
  read_ten();
  broker.begin_epoch("t", 0, 7);
  fill(0, 2, 1);
  EXPECT_EQ(poll_some().error(), Errc::log_truncated);
  EXPECT_EQ(poll_some().error(), Errc::log_truncated);
  EXPECT_EQ(position(), Offset(10));
  const Offset parts_at = consumer().assignment().take_truncations().at(0).parts_at;
  ASSERT_TRUE(consumer().assignment().seek({"t", PartitionId(0)}, parts_at));
  EXPECT_THAT(*poll_some(), ElementsAre("0:0", "0:1"));
}

TEST_F(TruncationTest, ABrokerThatSaysTheSameForEverIsNotAskedAllTheTime) {
  read_ten();
  broker.diverges_always = true;
  broker.changed();
  const int before = broker.fetches;
  EXPECT_THAT(*poll(10, Milliseconds(5000)), IsEmpty());
  EXPECT_LT(broker.fetches - before, 20);
}

}  // namespace
}  // namespace sluice::client
