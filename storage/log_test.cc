#include "storage/log.h"

#include <limits>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/log_fixture.h"

namespace sluice::storage {
namespace {

using testing::ElementsAre;

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.create());
    ASSERT_TRUE(world_.run(world_.log().start_epoch(LeaderEpoch(0))));
  }
  /// `count` batches of two records each: 0, 2, 4, ...
  void append_batches(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(world_.append({.records = 2}));
  }
  static std::vector<int64_t> even_numbers(int64_t from, int64_t below) {
    std::vector<int64_t> numbers;
    for (int64_t n = from; n < below; n += 2) numbers.push_back(n);
    return numbers;
  }
  Log& log() { return world_.log(); }

  LogWorld world_;
};

TEST_F(LogTest, AssignsDenseOffsetsInOrder) {
  EXPECT_EQ(world_.append({.records = 3})->last_offset, Offset(2));
  const auto second = world_.append({.records = 2});
  EXPECT_EQ(second->base_offset, Offset(3));
  EXPECT_EQ(second->last_offset, Offset(4));
  EXPECT_EQ(log().ends().end, Offset(5));
}

TEST_F(LogTest, ReadsWhatWasAppendedAcrossSegments) {
  append_batches(100);
  EXPECT_GT(world_.run(log().segments())->size(), 3u);
  EXPECT_EQ(world_.read_all(), even_numbers(0, 200));
}

TEST_F(LogTest, ReadBeginsWithTheBatchThatHoldsTheOffset) {
  append_batches(100);
  for (int64_t offset = 0; offset < 200; ++offset) {
    const auto batches = world_.read({.from = Offset(offset), .bound = Offset(200)});
    ASSERT_FALSE(batches.empty());
    EXPECT_EQ(batches.front(), offset / 2 * 2);
  }
}

TEST_F(LogTest, ReadReturnsNothingAtOrAboveTheBound) {
  append_batches(100);
  for (int64_t bound = 0; bound <= 200; ++bound) {
    for (int64_t from = bound / 20 * 20; from < bound; from += 7) {
      const auto batches = world_.read({.from = Offset(from), .bound = Offset(bound)});
      for (const int64_t base : batches) EXPECT_LE(base + 2, bound);
    }
  }
}

TEST_F(LogTest, ReadStaysBelowMaxBytesButForTheFirstBatch) {
  append_batches(20);
  const size_t size = make_batch({.records = 2}).size();
  const Offset end(40);
  EXPECT_THAT(world_.read({.bound = end, .max_bytes = 3 * size + 1}), ElementsAre(0, 2, 4));
  EXPECT_THAT(world_.read({.bound = end, .max_bytes = 1}), ElementsAre(0));
  EXPECT_THAT(world_.read({.bound = end, .max_bytes = size - 1, .at_least_one = false}),
              ElementsAre());
}

TEST_F(LogTest, ReadAtTheBoundIsEmptyAndOutsideIsAnError) {
  append_batches(3);
  EXPECT_EQ(world_.run(log().read({.from = Offset(6), .bound = Offset(6)}))->slice.length, 0u);
  EXPECT_EQ(world_.run(log().read({.from = Offset(4), .bound = Offset(2)}))->slice.length, 0u);
  const auto above = world_.run(log().read({.from = Offset(7), .bound = Offset(6)}));
  EXPECT_EQ(above.error().code(), Errc::offset_out_of_range);
}

TEST_F(LogTest, AHighWatermarkThatComesLateTakesNothingBack) {
  append_batches(10);
  log().set_high_watermark(Offset(20));
  log().set_high_watermark(Offset(18));
  EXPECT_EQ(log().high_watermark(), Offset(20));
  ASSERT_TRUE(world_.run(log().truncate_to(Offset(10))));
  EXPECT_EQ(log().high_watermark(), Offset(10));
}

TEST_F(LogTest, RefusesAnotherLeaderEpoch) {
  EXPECT_EQ(world_.append({}, LeaderEpoch(1)).error().code(), Errc::fenced_leader_epoch);
  ASSERT_TRUE(world_.run(log().start_epoch(LeaderEpoch(1))));
  EXPECT_EQ(world_.append({}, LeaderEpoch(0)).error().code(), Errc::fenced_leader_epoch);
  EXPECT_TRUE(world_.append({}, LeaderEpoch(1)));
  const auto older = world_.run(log().start_epoch(LeaderEpoch(0)));
  EXPECT_EQ(older.error().code(), Errc::fenced_leader_epoch);
}

TEST_F(LogTest, KnowsWhereEpochsEnd) {
  append_batches(2);
  ASSERT_TRUE(world_.run(log().start_epoch(LeaderEpoch(3))));
  ASSERT_TRUE(world_.append({}, LeaderEpoch(3)));
  EXPECT_EQ(log().end_of_epoch(LeaderEpoch(0)), std::pair(LeaderEpoch(0), Offset(4)));
  EXPECT_EQ(log().end_of_epoch(LeaderEpoch(3)), std::pair(LeaderEpoch(3), Offset(5)));
  EXPECT_EQ(log().end_of_epoch(LeaderEpoch(9)), std::pair(LeaderEpoch(-1), Offset(-1)));
}

TEST_F(LogTest, AnswersARepeatWithTheFirstOffsets) {
  const TestBatch batch{
      .records = 2, .producer = ProducerId(7), .producer_epoch = ProducerEpoch(0), .sequence = 0};
  ASSERT_TRUE(world_.append(batch));
  ASSERT_TRUE(world_.append());
  const auto repeated = world_.append(batch);
  ASSERT_TRUE(repeated);
  EXPECT_TRUE(repeated->duplicate);
  EXPECT_EQ(repeated->base_offset, Offset(0));
  EXPECT_EQ(log().ends().end, Offset(3));
}

TEST_F(LogTest, TellsHowManyProducersItRemembers) {
  EXPECT_EQ(log().known_producers(), 0u);
  for (const int id : {7, 8, 7}) {
    const auto appended = world_.append({.producer = ProducerId(id),
                                         .producer_epoch = ProducerEpoch(0),
                                         .sequence = log().known_producers() == 2 ? 1 : 0});
    ASSERT_TRUE(appended);
  }
  EXPECT_EQ(log().known_producers(), 2u);
  EXPECT_TRUE(world_.run(log().expire_producers(Timestamp(std::numeric_limits<int64_t>::max()))));
  EXPECT_EQ(log().known_producers(), 0u);
}

TEST_F(LogTest, StampsLogAppendTime) {
  LogOptions options = log().options();
  options.timestamp_type = TimestampType::log_append_time;
  log().set_options(options);
  EXPECT_EQ(world_.append()->log_append_time, Timestamp(5000));
  const auto slice = world_.run(log().read({.bound = Offset(1)}))->slice;
  const auto batch = record::BatchView::parse(*world_.bytes_of(slice));
  EXPECT_EQ(batch->header().max_timestamp, Timestamp(5000));
}

TEST_F(LogTest, FindsRecordsByTime) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(world_.append({.records = 2, .timestamp = Timestamp(1000 + 10 * i)}));
  }
  EXPECT_EQ(world_.run(log().find_by_time(Timestamp(0)))->offset, Offset(0));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(world_.run(log().find_by_time(Timestamp(1000 + 10 * i)))->offset, Offset(2 * i));
    EXPECT_EQ(world_.run(log().find_by_time(Timestamp(1001 + 10 * i)))->offset, Offset(2 * i + 1));
  }
  EXPECT_EQ(world_.run(log().find_by_time(Timestamp(2000)))->offset, Offset(-1));
  EXPECT_EQ(world_.run(log().find_max_timestamp())->offset, Offset(99));
}

TEST_F(LogTest, ReopensAfterACleanClose) {
  append_batches(50);
  ASSERT_TRUE(world_.close());
  world_.params().clean = true;
  ASSERT_TRUE(world_.open());
  EXPECT_EQ(log().ends().end, Offset(100));
  EXPECT_EQ(log().ends().synced_end, Offset(100));
  EXPECT_EQ(world_.read_all(), even_numbers(0, 100));
  append_batches(20);
  EXPECT_EQ(world_.read_all(), even_numbers(0, 140));
}

TEST_F(LogTest, ReopensAfterAProcessDied) {
  append_batches(50);
  world_.abandon();
  ASSERT_TRUE(world_.open());
  EXPECT_FALSE(log().damage());
  EXPECT_EQ(log().latest_epoch(), LeaderEpoch(0));
  EXPECT_EQ(world_.read_all(), even_numbers(0, 100));
}

TEST_F(LogTest, TruncatesAnywhere) {
  for (const int64_t end : {97, 96, 60, 59, 31, 2, 1, 0}) {
    append_batches(50);
    ASSERT_TRUE(world_.run(log().truncate_to(Offset(end))));
    EXPECT_EQ(log().ends().end, Offset(end / 2 * 2));
    EXPECT_EQ(world_.read_all(), even_numbers(0, end / 2 * 2));
    // The epoch's entry goes with its first record.
    ASSERT_TRUE(world_.run(log().start_epoch(LeaderEpoch(0))));
    append_batches(1);
    EXPECT_EQ(world_.read_all(), even_numbers(0, end / 2 * 2 + 2));
    ASSERT_TRUE(world_.run(log().truncate_to(Offset(0))));
    ASSERT_TRUE(world_.run(log().start_epoch(LeaderEpoch(0))));
  }
}

TEST_F(LogTest, SlicesGoStaleWhenTheirSegmentIsCut) {
  append_batches(4);
  const auto before = world_.run(log().read({.bound = Offset(8)}))->slice;
  EXPECT_TRUE(before.current());
  ASSERT_TRUE(world_.run(log().truncate_to(Offset(6))));
  EXPECT_FALSE(before.current());
}

TEST_F(LogTest, AdvancingTheStartDropsWholeSegmentsOnly) {
  append_batches(100);
  const auto held = world_.run(log().read({.bound = Offset(200)}))->slice;
  ASSERT_TRUE(world_.run(log().advance_start(Offset(101))));
  const auto segments = *world_.run(log().segments());
  EXPECT_LE(segments.front().base, Offset(101));
  EXPECT_GT(segments.front().next, Offset(101));
  EXPECT_EQ(world_.run(log().read({.from = Offset(100), .bound = Offset(200)})).error().code(),
            Errc::offset_out_of_range);
  EXPECT_EQ(world_.read_all(), even_numbers(100, 200));
  EXPECT_TRUE(world_.bytes_of(held)) << "a slice of a deleted segment stays readable";
}

TEST_F(LogTest, RollsOnDemandAndNotWhenEmpty) {
  append_batches(1);
  ASSERT_TRUE(world_.run(log().roll()));
  EXPECT_EQ(log().ends().synced_end, Offset(2));
  ASSERT_TRUE(world_.run(log().roll()));
  EXPECT_EQ(world_.run(log().segments())->size(), 2u);
}

TEST_F(LogTest, ReplicaKeepsItsOffsetsAndEpochs) {
  auto batches = make_batch({.records = 2, .base = Offset(0), .epoch = LeaderEpoch(4)});
  const auto second = make_batch({.records = 1, .base = Offset(5), .epoch = LeaderEpoch(6)});
  batches.insert(batches.end(), second.begin(), second.end());
  const auto appended = world_.append_replica(batches);
  ASSERT_TRUE(appended) << appended.error().message();
  EXPECT_EQ(appended->last_offset, Offset(5));
  EXPECT_EQ(log().latest_epoch(), LeaderEpoch(6));
  EXPECT_EQ(log().end_of_epoch(LeaderEpoch(4)), std::pair(LeaderEpoch(4), Offset(5)));
  EXPECT_THAT(world_.read_all(), ElementsAre(0, 5));
  EXPECT_EQ(world_.append_replica(second).error().code(), Errc::invalid_record);
}

TEST_F(LogTest, ClosedLogRefusesAppendsAndStillReads) {
  append_batches(3);
  ASSERT_TRUE(world_.run(log().close()));
  EXPECT_EQ(world_.append().error().code(), Errc::shutting_down);
  EXPECT_EQ(world_.read_all(), even_numbers(0, 6));
}

}  // namespace
}  // namespace sluice::storage
