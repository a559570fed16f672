#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/log_fixture.h"

// Truncations in the corners that a follower gets into.
namespace sluice::storage {
namespace {

using ::testing::ElementsAre;

class LogTruncateTest : public testing::Test {
 protected:
  void create() {
    ASSERT_TRUE(world_.create());
    ASSERT_TRUE(world_.run(log().start_epoch(LeaderEpoch(0))));
  }
  Log& log() { return world_.log(); }
  Result<> cut(int64_t end) { return world_.run(log().truncate_to(Offset(end))); }

  LogWorld world_;
};

TEST_F(LogTruncateTest, BelowTheFirstSegmentNothingStaysAndTheLogBeginsThere) {
  world_.params().log_start = Offset(100);
  create();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(world_.append());
  ASSERT_GT(world_.run(log().segments())->size(), 2u);
  ASSERT_TRUE(cut(40));
  EXPECT_EQ(log().ends().start, Offset(40));
  EXPECT_EQ(log().ends().end, Offset(40));
  ASSERT_TRUE(world_.append_replica(make_batch({.base = Offset(40), .epoch = LeaderEpoch(0)})));
  EXPECT_THAT(world_.read_all(), ElementsAre(40));
  world_.abandon();
  world_.params().log_start = Offset(40);
  ASSERT_TRUE(world_.open());
  EXPECT_FALSE(log().damage());
  EXPECT_THAT(world_.read_all(), ElementsAre(40));
}

TEST_F(LogTruncateTest, EndsBehindTheLastBatchKeptWhereOffsetsAreMissing) {
  create();
  auto batches = make_batch({.records = 2, .base = Offset(0), .epoch = LeaderEpoch(0)});
  const auto later = make_batch({.base = Offset(10), .epoch = LeaderEpoch(0)});
  batches.insert(batches.end(), later.begin(), later.end());
  ASSERT_TRUE(world_.append_replica(batches));
  ASSERT_TRUE(world_.run(log().sync_to(Offset(11))));
  ASSERT_TRUE(cut(7));
  EXPECT_EQ(log().ends().end, Offset(2));
  EXPECT_EQ(log().ends().synced_end, Offset(2));
}

TEST_F(LogTruncateTest, AtTheLogEndAnEpochWithoutARecordGoes) {
  create();
  ASSERT_TRUE(world_.append());
  ASSERT_TRUE(world_.run(log().start_epoch(LeaderEpoch(5))));
  ASSERT_TRUE(cut(1));
  EXPECT_EQ(log().latest_epoch(), LeaderEpoch(0));
  ASSERT_TRUE(world_.append_replica(make_batch({.base = Offset(1), .epoch = LeaderEpoch(0)})));
  EXPECT_EQ(log().end_of_epoch(LeaderEpoch(0)), std::pair(LeaderEpoch(0), Offset(2)));
}

TEST_F(LogTruncateTest, ALogThatBeginsAnewAboveItsEndHasNothingOfBeforeAlsoAfterACrash) {
  create();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(world_.append());
  ASSERT_TRUE(world_.run(log().sync_to(Offset(100))));
  ASSERT_TRUE(world_.run(log().restart_at(Offset(5000))));
  EXPECT_EQ(log().ends().start, Offset(5000));
  EXPECT_EQ(log().ends().end, Offset(5000));
  EXPECT_EQ(log().high_watermark(), Offset(5000));
  EXPECT_EQ(log().latest_epoch(), LeaderEpoch(-1));
  ASSERT_TRUE(world_.append_replica(make_batch({.base = Offset(5000), .epoch = LeaderEpoch(3)})));
  world_.abandon();
  ASSERT_TRUE(world_.open());
  EXPECT_FALSE(log().damage());
  EXPECT_THAT(world_.read_all(), ElementsAre(5000));
}

TEST_F(LogTruncateTest, NotesTheCutAgainWhenNotingItFailedBefore) {
  int noted = 0;
  auto ports = world_.ports();
  ports.before_truncation = [&](TopicPartition, Offset end) {
    EXPECT_EQ(end, Offset(3));
    Result<> full = fail(Errc::disk_full);
    return io::Task<Result<>>::ready(++noted == 1 ? std::move(full) : Result<>{});
  };
  const auto log = *world_.run(Log::create(std::move(ports), world_.params()));
  for (int i = 0; i < 5; ++i) {
    auto batch = make_batch({.base = Offset(i), .epoch = LeaderEpoch(0)});
    ASSERT_TRUE(world_.run(log->append({.batch = batch, .origin = AppendOrigin::replica})));
  }
  ASSERT_TRUE(world_.run(log->sync_to(Offset(5))));
  EXPECT_EQ(world_.run(log->truncate_to(Offset(3))).error().code(), Errc::disk_full);
  EXPECT_EQ(log->ends().end, Offset(5));
  EXPECT_TRUE(world_.run(log->truncate_to(Offset(3))));
  EXPECT_EQ(noted, 2);
  EXPECT_EQ(log->ends().end, Offset(3));
  world_.run(log->abandon());
}

}  // namespace
}  // namespace sluice::storage
