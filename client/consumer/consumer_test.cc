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
using Texts = std::vector<std::string>;

class ConsumerTest : public ClientWorld {
 protected:
  ConsumerTest() { broker.add_topic("t", 1); }

  /// Polls until `count` records came or a poll brings none.
  Texts read(size_t count, size_t per_poll = 500) {
    Texts all;
    while (all.size() < count) {
      const auto got = poll(per_poll);
      EXPECT_TRUE(got) << got.error().message();
      if (!got || got->empty()) break;
      all.insert(all.end(), got->begin(), got->end());
    }
    return all;
  }
  static Texts expected(int partition, int from, int to) {
    Texts out;
    for (int i = from; i < to; ++i) {
      out.push_back(std::to_string(partition) + ":" + std::to_string(i));
    }
    return out;
  }
  Result<> seek(SeekTarget to) { return consumer().assignment().seek({"t", PartitionId(0)}, to); }
};

TEST_F(ConsumerTest, ReadsARecordOnceAndInOrder) {
  fill(0, 20, 7);
  ASSERT_TRUE(assign());
  EXPECT_EQ(read(140), expected(0, 0, 140));
  EXPECT_THAT(*poll(10, Milliseconds(50)), IsEmpty());
}

TEST_F(ConsumerTest, NeverReturnsMoreThanAskedFor) {
  fill(0, 3, 10);
  ASSERT_TRUE(assign());
  EXPECT_THAT(*poll(1), ElementsAre("0:0"));
  EXPECT_EQ(poll(12)->size(), 12u);
  EXPECT_EQ(read(17, 4), expected(0, 13, 30));
}

TEST_F(ConsumerTest, WaitsForRecordsAndNoLongerThanTheTimeout) {
  ASSERT_TRUE(assign());
  const auto before = sim.now();
  EXPECT_THAT(*poll(10, Milliseconds(2000)), IsEmpty());
  EXPECT_GE(sim.now() - before, 2s);
  EXPECT_LT(sim.now() - before, 2010ms);
  fill(0, 1, 1);
  EXPECT_THAT(*poll(10), ElementsAre("0:0"));
}

TEST_F(ConsumerTest, WakeEndsAPollThatWaits) {
  ASSERT_TRUE(assign());
  consumer().wake();
  const auto before = sim.now();
  EXPECT_THAT(*poll(10, Milliseconds(60'000)), IsEmpty());
  EXPECT_LT(sim.now() - before, 1s);
}

TEST_F(ConsumerTest, BeginsWhereItIsTold) {
  fill(0, 10, 10);
  ASSERT_TRUE(assign(Offset(37)));
  EXPECT_THAT(*poll(2), ElementsAre("0:37", "0:38"));
  ASSERT_TRUE(seek(SeekBeginning{}));
  EXPECT_THAT(*poll(1), ElementsAre("0:0"));
  ASSERT_TRUE(seek(Timestamp(1004)));
  EXPECT_THAT(*poll(1), ElementsAre("0:40"));
  ASSERT_TRUE(seek(SeekEnd{}));
  EXPECT_THAT(*poll(1, Milliseconds(50)), IsEmpty());
  EXPECT_EQ(*consumer().assignment().position({"t", PartitionId(0)}), Offset(100));
}

TEST_F(ConsumerTest, ATimeAfterTheLastRecordIsTheEnd) {
  fill(0, 2, 1);
  ASSERT_TRUE(assign(Timestamp(999'999)));
  EXPECT_THAT(*poll(1, Milliseconds(50)), IsEmpty());
  EXPECT_EQ(*consumer().assignment().position({"t", PartitionId(0)}), Offset(2));
}

// A fetch of the old assignment is under way when the new one begins elsewhere.
TEST_F(ConsumerTest, WhatWasFetchedForAnOldAssignmentIsDropped) {
  fill(0, 50, 10);
  ASSERT_TRUE(assign(Offset(100)));
  for (int from = 480; from >= 0; from -= 60) {
    sim.run_for(Duration(sim.random().below(1'000'000)));
    ASSERT_TRUE(assign(Offset(from)));
    EXPECT_EQ(poll(1)->front(), "0:" + std::to_string(from));
  }
}

TEST_F(ConsumerTest, PartitionsTakeTurnsAndTheTurnGoesOn) {
  broker.add_topic("t", 3);
  for (size_t i = 0; i < 3; ++i) fill(i, 10, 10);
  ASSERT_TRUE(assign());
  sim.run_for(100ms);
  const Texts all = read(60, 20);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(
        std::count_if(all.begin(), all.end(), [&](const auto& text) { return text[0] == '0' + i; }),
        20)
        << i;
  }
}

TEST_F(ConsumerTest, APausedPartitionIsLeftOutAndGoesOnWhereItWas) {
  broker.add_topic("t", 2);
  fill(0, 5, 10);
  fill(1, 5, 10);
  ASSERT_TRUE(assign());
  sim.run_for(100ms);
  EXPECT_EQ(poll(7)->size(), 7u);
  ASSERT_TRUE(consumer().assignment().pause({"t", PartitionId(0)}, true));
  EXPECT_EQ(read(50), expected(1, 0, 50));
  ASSERT_TRUE(consumer().assignment().pause({"t", PartitionId(0)}, false));
  EXPECT_EQ(read(43), expected(0, 7, 50));
}

TEST_F(ConsumerTest, AnOffsetBelowTheLogFollowsThePolicy) {
  fill(0, 10, 1);
  broker.topics.at("t").partitions[0].log_start = 4;
  ASSERT_TRUE(assign(Offset(1)));
  EXPECT_THAT(*poll(1), ElementsAre("0:4"));
}

TEST_F(ConsumerTest, AnOffsetBelowTheLogIsAnErrorWhenThePolicySaysSo) {
  consuming.offset_reset = OffsetReset::fail;
  fill(0, 10, 1);
  broker.topics.at("t").partitions[0].log_start = 4;
  ASSERT_TRUE(assign(Offset(1)));
  for (int i = 0; i < 2; ++i) {
    const auto refused = poll(1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), Errc::offset_out_of_range);
    EXPECT_THAT(refused.error().message(), HasSubstr("t-0"));
  }
  ASSERT_TRUE(seek(Offset(5)));
  EXPECT_THAT(*poll(1), ElementsAre("0:5"));
}

// The log is cut behind the reader's back: what it holds already is not thrown away.
TEST_F(ConsumerTest, RecordsInTheBufferSurviveAReset) {
  consuming.fetch_partition_bytes = 200;
  fill(0, 10, 1, 100);
  ASSERT_TRUE(assign());
  sim.run_for(50ms);
  broker.topics.at("t").partitions[0].log_start = 8;
  EXPECT_THAT(*poll(1), ElementsAre("0:0"));
  const Texts rest = read(4);
  EXPECT_EQ(rest.front(), "0:1");
  EXPECT_EQ(rest.back(), "0:9");
}

// What was fetched from the new beginning must not be taken for read.
TEST_F(ConsumerTest, ALogThatShrankIsToldBehindWhatIsBufferedAndReadOnWhereItParts) {
  consuming.fetch_partition_bytes = 200;
  fill(0, 10, 1, 100);
  ASSERT_TRUE(assign());
  sim.run_for(50ms);
  auto& log = broker.topics.at("t").partitions[0];
  log.batches.clear();
  log.next_offset = 0;
  fill(0, 1, 1);
  for (const auto* expected : {"0:0", "0:1"}) {
    EXPECT_THAT(*poll(1), ElementsAre(expected));
    sim.run_for(50ms);
  }
  const auto told = poll(1);
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error(), Errc::log_truncated);
  fill(0, 1, 1);
  EXPECT_THAT(*poll(1), ElementsAre("0:0"));
  EXPECT_EQ(*consumer().assignment().position({"t", PartitionId(0)}), Offset(2))
      << "the second one";
}

TEST_F(ConsumerTest, ARecordThatComesWhileATimeIsLookedUpIsNotSkipped) {
  fill(0, 2, 1);
  broker.after_time_query = [this] { fill(0, 1, 1); };
  ASSERT_TRUE(assign(Timestamp(999'999)));
  EXPECT_THAT(*poll(1), ElementsAre("0:0"));
  EXPECT_EQ(*consumer().assignment().position({"t", PartitionId(0)}), Offset(3));
}

TEST_F(ConsumerTest, ReadsOnWithALimitOfOneByteAPartition) {
  consuming.fetch_partition_bytes = 1;
  fill(0, 10, 1);
  ASSERT_TRUE(assign());
  EXPECT_EQ(read(10), expected(0, 0, 10));
}

TEST_F(ConsumerTest, WatermarksAreTheLogsStartAndItsReadableEnd) {
  fill(0, 10, 1);
  broker.topics.at("t").partitions[0].log_start = 4;
  const auto said = sim.run_on(loop(), consumer().watermarks({"t", PartitionId(0)}));
  ASSERT_TRUE(said);
  EXPECT_EQ(*said, std::pair(Offset(4), Offset(10)));
  const auto refused = sim.run_on(loop(), consumer().watermarks({"t", PartitionId(7)}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::unknown_topic_or_partition);
}

TEST_F(ConsumerTest, ACorruptBatchIsReportedUntilTheReaderPassesIt) {
  fill(0, 3, 1);
  broker.topics.at("t").partitions[0].batches[1].back() ^= 1;
  ASSERT_TRUE(assign());
  EXPECT_THAT(*poll(10), ElementsAre("0:0"));
  for (int i = 0; i < 2; ++i) {
    const auto refused = poll(10);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), Errc::corrupt_batch);
    EXPECT_THAT(refused.error().message(), HasSubstr("offset 1"));
    EXPECT_THAT(refused.error().message(), HasSubstr("broker 1"));
  }
  ASSERT_TRUE(seek(Offset(2)));
  EXPECT_THAT(*poll(10), ElementsAre("0:2"));
}

TEST_F(ConsumerTest, WhatCameRottenIsFetchedOnceMoreBeforeThatIsSaid) {
  fill(0, 3, 1);
  broker.rotten_answers = 1;
  ASSERT_TRUE(assign());
  EXPECT_EQ(read(3).size(), 3u);
  EXPECT_GE(broker.fetches, 2);
}

TEST_F(ConsumerTest, GoesOnAfterTheConnectionIsLost) {
  fill(0, 5, 10);
  ASSERT_TRUE(assign());
  EXPECT_EQ(read(50).size(), 50u);
  sim.run_on(broker_loop(), [](FakeBroker& fake) -> io::Task<void> {
    fake.drop_connections();
    co_return;
  }(broker));
  fill(0, 5, 10);
  EXPECT_EQ(read(50).size(), 50u);
}

TEST_F(ConsumerTest, APartitionWithoutALeaderStopsNoOther) {
  broker.add_topic("t", 2);
  fill(0, 1, 5);
  fill(1, 1, 5);
  broker.topics.at("t").partitions[0].leader = -1;
  ASSERT_TRUE(assign());
  EXPECT_EQ(read(5), expected(1, 0, 5));
  const int before = broker.metadatas;
  EXPECT_THAT(*poll(5, Milliseconds(10'000)), IsEmpty());
  EXPECT_LT(broker.metadatas - before, 40);
  broker.topics.at("t").partitions[0].leader = 1;
  EXPECT_EQ(read(5), expected(0, 0, 5));
}

}  // namespace
}  // namespace sluice::client
