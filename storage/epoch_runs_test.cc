#include "storage/epoch_runs.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/segment_name.h"
#include "tests/support/log_set_world.h"

// What becomes of a leader epoch that went bad, in a batch or where it is written down.
namespace sluice::storage {
namespace {

using ::testing::ElementsAre;
using Entry = LeaderEpochs::Entry;

Entry entry(int32_t epoch, int64_t start) { return {LeaderEpoch(epoch), Offset(start)}; }

/// One batch for each offset.
EpochRuns runs_of(const std::vector<int32_t>& epochs) {
  EpochRuns runs;
  for (size_t i = 0; i < epochs.size(); ++i) {
    runs.add(LeaderEpoch(epochs[i]), Offset(static_cast<int64_t>(i)));
  }
  return runs;
}

TEST(EpochRuns, ASingleBatchThatDoesNotFitInCountsAsNothing) {
  EXPECT_THAT(runs_of({0, 0, 2, 2}).entries(false), ElementsAre(entry(0, 0), entry(2, 2)));
  EXPECT_THAT(runs_of({0, 0, 9, 2, 2}).entries(false), ElementsAre(entry(0, 0), entry(2, 3)));
  EXPECT_THAT(runs_of({3, 3, 1, 3, 3}).entries(false), ElementsAre(entry(3, 0)));
  EXPECT_THAT(runs_of({3, 3, 9, 3, 3}).entries(false), ElementsAre(entry(3, 0)));
  EXPECT_THAT(runs_of({0, 1, 2, 3, 3}).entries(false),
              ElementsAre(entry(0, 0), entry(1, 1), entry(2, 2), entry(3, 3)));
}

TEST(EpochRuns, TheLastBatchCountsWhereNothingElseIsKnown) {
  EXPECT_THAT(runs_of({0, 0, 9}).entries(false), ElementsAre(entry(0, 0)));
  EXPECT_THAT(runs_of({0, 0, 9}).entries(true), ElementsAre(entry(0, 0), entry(9, 2)));
  EXPECT_THAT(runs_of({4}).entries(true), ElementsAre(entry(4, 0)));
}

class EpochCorrectionTest : public ::testing::Test {
 protected:
  EpochCorrectionTest() {
    world_.log_options.segment_bytes = 700;
    EXPECT_TRUE(world_.open().has_value());
    auto log = *world_.create("t", id_);
    for (int i = 0; i < 30; ++i) {
      if (i % 10 == 0) EXPECT_TRUE(world_.run(log->start_epoch(LeaderEpoch(i))).has_value());
      EXPECT_TRUE(world_.append(*log, {{"key", "value"}}).has_value());
    }
    EXPECT_TRUE(world_.run(log->sync_to(Offset(30))).has_value());
    log->set_high_watermark(Offset(30));
  }
  /// Flips a bit of the epoch of the batch with that offset.
  void flip_epoch(int64_t offset, int bit) {
    auto log = world_.log("t");
    const auto read = world_.run(log->read({.from = Offset(offset), .bound = Offset(30)}));
    ASSERT_TRUE(read.has_value());
    const std::string path = read->slice.file->path();
    const uint64_t at = read->slice.position + record::kLeaderEpochAt + 3;
    auto file = *world_.run(world_.disk().open(path, io::OpenMode::write));
    std::byte byte;
    ASSERT_TRUE(world_.run(file->read_at(at, MutableBytes(&byte, 1), io::Lane::cold)));
    byte ^= std::byte{1} << bit;
    const ByteView view(&byte, 1);
    ASSERT_TRUE(world_.run(file->write_at(at, std::span(&view, 1), io::Lane::cold)));
  }
  void look() {
    const std::atomic<bool> stopping{false};
    ASSERT_TRUE(world_.run(world_.set().check_all({"t", PartitionId(0)}, stopping)).has_value());
  }
  void restart() {
    ASSERT_TRUE(world_.close().has_value());
    ASSERT_TRUE(world_.open().has_value());
  }
  void expect_as_before() {
    auto log = world_.log("t");
    ASSERT_NE(log, nullptr);
    EXPECT_EQ(log->damage().value_or(""), "");
    EXPECT_EQ(log->latest_epoch(), LeaderEpoch(20));
    EXPECT_EQ(log->end_of_epoch(LeaderEpoch(0)).second, Offset(10));
    EXPECT_EQ(log->end_of_epoch(LeaderEpoch(10)).second, Offset(20));
    Offset at{0};
    while (at < Offset(30)) {
      const auto read = world_.run(log->read({.from = at, .bound = at + 1, .max_bytes = 1}));
      ASSERT_TRUE(read.has_value());
      std::vector<std::byte> bytes(read->slice.length);
      const auto file =
          *world_.run(world_.disk().open(read->slice.file->path(), io::OpenMode::read));
      ASSERT_TRUE(world_.run(file->read_at(read->slice.position, bytes, io::Lane::cold)));
      const auto header = record::load_header(bytes.data());
      EXPECT_EQ(header.leader_epoch, LeaderEpoch(static_cast<int32_t>(at.value() / 10 * 10)));
      at = header.next_offset();
    }
  }

  const Uuid id_{std::array<std::byte, 16>{std::byte{3}}};
  testing::LogSetWorld world_;
};

TEST_F(EpochCorrectionTest, AnEpochThatFlippedInABatchIsWrittenAgain) {
  // In the middle, beside another epoch, and at the end.
  for (const int64_t offset : {4, 9, 10, 15, 29}) {
    for (const int bit : {0, 3, 6}) {
      flip_epoch(offset, bit);
      look();
      expect_as_before();
    }
  }
}

TEST_F(EpochCorrectionTest, AStartDoesNotGoByASingleBatch) {
  for (const int64_t offset : {15, 29}) {
    flip_epoch(offset, 6);
    world_.die(std::nullopt);
    ASSERT_TRUE(world_.open().has_value());
    EXPECT_EQ(world_.log("t")->latest_epoch(), LeaderEpoch(20));
    look();
    expect_as_before();
  }
}

TEST_F(EpochCorrectionTest, WhatWasWrittenDownWrongIsCorrectedByTheBatches) {
  for (const std::string_view text :
       {"0\n3\n0 0\n10 18\n20 20\n", "0\n3\n0 0\n10 10\n28 20\n", "0\n3\n0 0\n14 10\n20 20\n"}) {
    ASSERT_TRUE(world_.close().has_value());
    const ByteView bytes = as_bytes(text);
    ASSERT_TRUE(world_.run(io::replace_file(world_.disk(), "/data/t-0/leader-epoch-checkpoint",
                                            {bytes.begin(), bytes.end()})));
    ASSERT_TRUE(world_.open().has_value());
    look();
    expect_as_before();
  }
}

TEST_F(EpochCorrectionTest, AnEpochWithoutARecordStays) {
  ASSERT_TRUE(world_.run(world_.log("t")->start_epoch(LeaderEpoch(40))).has_value());
  flip_epoch(12, 2);
  look();
  EXPECT_EQ(world_.log("t")->latest_epoch(), LeaderEpoch(40));
  EXPECT_EQ(world_.log("t")->end_of_epoch(LeaderEpoch(20)).second, Offset(30));
}

}  // namespace
}  // namespace sluice::storage
