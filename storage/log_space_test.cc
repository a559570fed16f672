#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/log_fixture.h"

// What a log gives back, and how it rolls and indexes, while the disk has no room.
namespace sluice::storage {
namespace {

constexpr std::string_view kFirst = "00000000000000000000";

class LogSpaceTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.create());
    ASSERT_TRUE(world_.run(log().start_epoch(LeaderEpoch(0))));
  }
  Log& log() { return world_.log(); }
  sim::SimDisk& disk() { return world_.disk(); }
  void append(int count, int64_t first_timestamp = 1000) {
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(world_.append({.timestamp = Timestamp(first_timestamp + i)}));
  }
  /// Names in the folder that belong to the first segment.
  size_t files_of_first() {
    return static_cast<size_t>(std::ranges::count_if(
        world_.files(), [](const std::string& name) { return name.starts_with(kFirst); }));
  }
  void fail_writes_of(std::string_view suffix) {
    disk().set_fault([suffix](const sim::DiskCall& call) -> std::optional<Errc> {
      const bool hit = call.op == sim::DiskOp::write && call.path.ends_with(suffix);
      return hit ? std::optional(Errc::disk_full) : std::nullopt;
    });
  }
  void change(void (*what)(LogOptions& options)) {
    LogOptions options = log().options();
    what(options);
    log().set_options(options);
  }

  LogWorld world_;
};

TEST_F(LogSpaceTest, AFullDiskDoesNotKeepOldSegmentsFromGoing) {
  append(200);
  ASSERT_GT(files_of_first(), 2u);
  disk().set_fault([](const sim::DiskCall& call) {
    return call.takes_space() ? std::optional(Errc::disk_full) : std::nullopt;
  });
  EXPECT_TRUE(world_.run(log().advance_start(Offset(150))));
  disk().set_fault({});
  EXPECT_EQ(files_of_first(), 0u);
  EXPECT_EQ(world_.read_all().size(), 50u);
}

TEST_F(LogSpaceTest, OldSegmentsGoWithoutADescriptorToSpare) {
  append(200);
  world_.abandon();
  ASSERT_TRUE(world_.open());
  disk().fail_all(sim::DiskOp::open, Errc::too_many);
  EXPECT_TRUE(world_.run(log().advance_start(Offset(150))));
  disk().set_fault({});
  EXPECT_EQ(files_of_first(), 0u);
}

TEST_F(LogSpaceTest, SegmentsThatCouldNotGoGoTheNextTime) {
  append(200);
  disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    const bool hit = call.op == sim::DiskOp::rename || call.op == sim::DiskOp::remove;
    return hit ? std::optional(Errc::disk_failed) : std::nullopt;
  });
  EXPECT_FALSE(world_.run(log().advance_start(Offset(150))));
  disk().set_fault({});
  EXPECT_GT(files_of_first(), 2u);
  EXPECT_TRUE(world_.run(log().advance_start(Offset(150))));
  EXPECT_EQ(files_of_first(), 0u);
}

TEST_F(LogSpaceTest, ASealedSegmentKnowsItsAgeAfterItsTimeIndexCouldNotBeWritten) {
  change([](LogOptions& options) {
    options.segment_bytes = 1_MiB;
    options.segment_index_bytes = 64_KiB;
    options.index_interval_bytes = 0;
  });
  ASSERT_TRUE(world_.run(log().roll()));
  append(1);
  ASSERT_TRUE(world_.run(log().roll()));
  fail_writes_of(".timeindex");
  append(342);  // all but the first have an entry: what the tail takes
  disk().set_fault({});
  ASSERT_TRUE(world_.run(log().roll()));
  const auto segments = world_.run(log().segments());
  ASSERT_TRUE(segments);
  EXPECT_EQ((*segments)[segments->size() - 2].max_timestamp, Timestamp(1341));
  EXPECT_EQ(world_.run(log().find_by_time(Timestamp(1330)))->offset, Offset(331));
}

TEST_F(LogSpaceTest, GoesOnWhenTheClosingEntryFillsTheIndexThatCannotBeWritten) {
  change([](LogOptions& options) {
    options.segment_bytes = 1_MiB;
    options.segment_index_bytes = 64_KiB;
    options.index_interval_bytes = 0;
  });
  append(1);
  ASSERT_TRUE(world_.run(log().roll()));
  append(341);  // all but the first have an entry: one less than the tail takes
  change([](LogOptions& options) { options.index_interval_bytes = 1_MiB; });
  append(1, 2000);
  fail_writes_of(".timeindex");
  EXPECT_FALSE(world_.run(log().roll()));
  change([](LogOptions& options) { options.index_interval_bytes = 0; });
  append(2, 3000);
  disk().set_fault({});
  ASSERT_TRUE(world_.run(log().roll()));
  EXPECT_EQ((*world_.run(log().segments()))[1].max_timestamp, Timestamp(3001));
  EXPECT_EQ(world_.read_all().size(), 345u);
}

TEST_F(LogSpaceTest, RollsWhenTheRecordsSpanMoreThanSegmentMs) {
  change([](LogOptions& options) { options.segment_ms = 100ms; });
  for (const int64_t at : {1000, 1050, 1100}) append(1, at);
  EXPECT_EQ(world_.run(log().segments())->size(), 1u);
  append(1, 1101);
  const auto segments = *world_.run(log().segments());
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[1].base, Offset(3));
  append(1, 1201);  // the time counts from the new segment's first record
  EXPECT_EQ(world_.run(log().segments())->size(), 2u);
}

TEST_F(LogSpaceTest, RollsWhenAnIndexIsFull) {
  world_.abandon();
  world_.params().options.segment_bytes = 1_MiB;
  world_.params().options.index_interval_bytes = 0;
  world_.params().options.segment_index_bytes = 120;  // ten entries of time
  ASSERT_TRUE(world_.open());
  ASSERT_TRUE(world_.run(log().start_epoch(LeaderEpoch(0))));
  ASSERT_TRUE(world_.append());
  ASSERT_TRUE(world_.run(log().roll()));
  append(30);
  const auto segments = *world_.run(log().segments());
  // The first batch of a segment has no entry.
  ASSERT_EQ(segments.size(), 4u);
  EXPECT_EQ(segments[2].base - segments[1].base, 11);
  EXPECT_EQ(segments[3].base - segments[2].base, 11);
  EXPECT_EQ(world_.read_all().size(), 31u);
}

}  // namespace
}  // namespace sluice::storage
