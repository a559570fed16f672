#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/log_fixture.h"

// What a log does when the disk does not do what it should.
namespace sluice::storage {
namespace {

using testing::IsEmpty;

class LogFaultsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.create());
    ASSERT_TRUE(world_.run(log().start_epoch(LeaderEpoch(0))));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(world_.append());
  }
  Log& log() { return world_.log(); }
  sim::SimDisk& disk() { return world_.disk(); }
  static TestBatch from_producer(int32_t sequence) {
    return {.producer = ProducerId(3), .producer_epoch = ProducerEpoch(0), .sequence = sequence};
  }

  LogWorld world_;
};

TEST_F(LogFaultsTest, RefusesAppendsWhileTheDiskIsFullAndGoesOnAfterwards) {
  disk().fail_all(sim::DiskOp::write, Errc::disk_full);
  EXPECT_EQ(world_.append().error().code(), Errc::disk_full);
  EXPECT_EQ(log().ends().end, Offset(5));
  EXPECT_EQ(world_.read_all().size(), 5u) << "reads go on";
  disk().set_fault({});
  EXPECT_EQ(world_.append()->base_offset, Offset(5));
  EXPECT_THAT(world_.offline(), IsEmpty());
  EXPECT_EQ(world_.read_all().size(), 6u);
}

TEST_F(LogFaultsTest, LeavesNothingOfAFailedAppendInTheFile) {
  const uint64_t before = world_.size_of("00000000000000000000.log");
  disk().fail_all(sim::DiskOp::write, Errc::disk_failed);
  EXPECT_FALSE(world_.append({.value_size = 2000}));
  EXPECT_EQ(world_.size_of("00000000000000000000.log"), before);
}

TEST_F(LogFaultsTest, ForgetsTheSequenceOfAFailedAppend) {
  ASSERT_TRUE(world_.append(from_producer(0)));
  disk().fail_all(sim::DiskOp::write, Errc::disk_full);
  EXPECT_FALSE(world_.append(from_producer(1)));
  disk().set_fault({});
  const auto again = world_.append(from_producer(1));
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->duplicate);
}

TEST_F(LogFaultsTest, TakesTheDirectoryOfflineWhenAFailedAppendCannotBeCutBack) {
  disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    const bool broken = call.op == sim::DiskOp::write || call.op == sim::DiskOp::truncate;
    return broken ? std::optional(Errc::disk_failed) : std::nullopt;
  });
  EXPECT_EQ(world_.append().error().code(), Errc::disk_failed);
  EXPECT_THAT(world_.offline(), testing::SizeIs(1));
  disk().set_fault({});
  EXPECT_EQ(world_.append().error().code(), Errc::disk_offline);
}

TEST_F(LogFaultsTest, NeverTriesAFailedSyncAgain) {
  disk().fail_all(sim::DiskOp::sync, Errc::disk_failed);
  EXPECT_FALSE(world_.run(log().sync_to(Offset(5))));
  disk().set_fault({});
  EXPECT_EQ(world_.run(log().sync_to(Offset(5))).error().code(), Errc::disk_offline);
  EXPECT_EQ(log().ends().synced_end, Offset(0));
}

TEST_F(LogFaultsTest, GoesOnWithTheOldSegmentWhenItCannotRoll) {
  disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    return call.op == sim::DiskOp::open ? std::optional(Errc::disk_full) : std::nullopt;
  });
  int appended = 0;
  while (world_.append()) ASSERT_LT(++appended, 100);
  disk().set_fault({});
  EXPECT_TRUE(world_.append());
  EXPECT_EQ(log().ends().end, Offset(5 + appended + 1));
  EXPECT_EQ(world_.read_all().size(), static_cast<size_t>(5 + appended + 1));
}

TEST_F(LogFaultsTest, WritesASparserIndexWhenTheDiskIsFull) {
  LogOptions options = tiny_options();
  options.segment_bytes = 1_MiB;
  options.segment_index_bytes = 64_KiB;
  log().set_options(options);
  ASSERT_TRUE(world_.run(log().roll()));
  disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    const bool index = call.op == sim::DiskOp::write && call.path.ends_with("index");
    return index ? std::optional(Errc::disk_full) : std::nullopt;
  });
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(world_.append());
  for (int64_t at = 0; at < 3005; at += 37) {
    EXPECT_THAT(world_.read({.from = Offset(at), .bound = Offset(3005), .max_bytes = 1}),
                testing::ElementsAre(at));
  }
}

TEST_F(LogFaultsTest, LeavesNoPartOfASnapshotThatCouldNotBeWritten) {
  ASSERT_TRUE(world_.append(from_producer(0)));
  disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    const bool snapshot = call.op == sim::DiskOp::write && call.path.ends_with(".snapshot");
    return snapshot ? std::optional(Errc::disk_full) : std::nullopt;
  });
  ASSERT_TRUE(world_.run(log().roll()));
  ASSERT_TRUE(world_.close());
  disk().set_fault({});
  EXPECT_THAT(world_.files(), testing::Not(testing::Contains(testing::EndsWith(".snapshot"))));
  world_.params().clean = true;
  ASSERT_TRUE(world_.open());
  EXPECT_TRUE(world_.append(from_producer(0))->duplicate) << "the log tells";
}

TEST_F(LogFaultsTest, AReadThatMeetsNoBatchFindsTheLogDamaged) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(world_.append());
  const std::vector<std::byte> zeros(300);
  world_.overwrite("00000000000000000000.log", make_batch({}).size(), zeros);
  const auto read = world_.run(log().read({.from = Offset(1), .bound = Offset(105)}));
  EXPECT_EQ(read.error().code(), Errc::partition_corrupt);
  EXPECT_TRUE(log().damage());
  EXPECT_EQ(world_.append().error().code(), Errc::partition_corrupt);
  EXPECT_THAT(world_.read({.from = Offset(100), .bound = Offset(101)}), testing::ElementsAre(100));
}

}  // namespace
}  // namespace sluice::storage
