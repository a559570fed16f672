#include "storage/repair.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/data_directory.h"
#include "storage/inspect.h"
#include "storage/segment_name.h"
#include "tests/support/log_set_world.h"
#include "tests/support/range_copy.h"

// What a damaged log is made of again, with the help of a replica that is whole.
namespace sluice::storage {
namespace {

using testing::KeyValue;
using testing::RangeCopy;

const TopicPartition kPartition{"t", PartitionId(0)};
const std::string kFolder = "/data/t-0";

class RepairTest : public ::testing::Test {
 protected:
  RepairTest() {
    world_.log_options.segment_bytes = 700;
    world_.log_options.index_interval_bytes = 100;
    EXPECT_TRUE(world_.open().has_value());
    log_ = *world_.create("t", id_);
    for (int i = 0; i < 40; ++i) {
      if (i % 15 == 14) EXPECT_TRUE(world_.run(log_->start_epoch(LeaderEpoch(i))).has_value());
      EXPECT_TRUE(world_.append(*log_, {{"key", "value" + std::to_string(i)}}).has_value());
    }
    EXPECT_TRUE(world_.run(log_->sync_to(Offset(40))).has_value());
    log_->set_high_watermark(Offset(40));
    before_ = world_.read_all(*log_);
    copy_ = world_.run(RangeCopy::of(*log_));
    for (const auto& segment : *world_.run(log_->segments())) bases_.push_back(segment.base);
    EXPECT_GE(bases_.size(), 5U);
  }
  ~RepairTest() override { log_.reset(); }

  std::string segment(size_t place, std::string_view suffix = kLogSuffix) const {
    return segment_path(kFolder, bases_[place], suffix);
  }
  uint64_t size_of(const std::string& path) {
    return *(*world_.run(world_.disk().open(path, io::OpenMode::read)))->size();
  }
  void write(const std::string& path, uint64_t position, std::vector<std::byte> bytes) {
    auto file = *world_.run(world_.disk().open(path, io::OpenMode::create));
    const ByteView view = bytes;
    ASSERT_TRUE(world_.run(file->write_at(position, std::span(&view, 1), io::Lane::cold)));
  }
  void flip(const std::string& path, uint64_t position) {
    auto file = *world_.run(world_.disk().open(path, io::OpenMode::write));
    std::byte byte;
    ASSERT_TRUE(world_.run(file->read_at(position, MutableBytes(&byte, 1), io::Lane::cold)));
    write(path, position, {byte ^ std::byte{4}});
  }
  void cut(const std::string& path, uint64_t size) {
    auto file = *world_.run(world_.disk().open(path, io::OpenMode::create));
    ASSERT_TRUE(world_.run(file->truncate(size)));
  }
  void remove(const std::string& path) { ASSERT_TRUE(world_.run(world_.disk().remove(path))); }

  /// Stops cleanly, lets `harm` happen to the files, and starts again.
  template <class Harm>
  void restart_after(Harm harm) {
    log_.reset();
    ASSERT_TRUE(world_.close().has_value());
    harm();
    ASSERT_TRUE(world_.open().has_value());
    log_ = world_.log("t");
    ASSERT_NE(log_, nullptr);
  }
  void look() {
    const std::atomic<bool> stopping{false};
    ASSERT_TRUE(world_.run(world_.set().check_all(kPartition, stopping)).has_value());
  }
  RepairPlan repair(bool proven = false) {
    EXPECT_TRUE(log_->is_damaged());
    const std::atomic<bool> stopping{false};
    auto plan = world_.run(world_.set().plan_repair(kPartition, copy_, stopping, proven));
    EXPECT_TRUE(plan.has_value()) << plan.error().message();
    log_.reset();
    auto done = world_.run(world_.set().finish_repair(kPartition, *plan));
    EXPECT_TRUE(done.has_value()) << done.error().message();
    log_ = world_.log("t");
    return *plan;
  }
  /// All is as it was, and goes on; nothing more is found wrong with the files.
  void expect_whole() {
    ASSERT_NE(log_, nullptr);
    EXPECT_EQ(log_->damage().value_or(""), "");
    EXPECT_EQ(world_.read_all(*log_), before_);
    EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(29));
    EXPECT_TRUE(world_.append(*log_, {{"key", "more"}}).has_value());
    log_.reset();
    ASSERT_TRUE(world_.close().has_value());
    std::vector<std::string> problems;
    MemoryBudget memory("test", 64_MiB);
    ASSERT_TRUE(world_.run(inspect(
        world_.disk(), "/data", {.verify = true, .dense = true},
        {.on_problem = [&](const std::string& path,
                           const std::string& what) { problems.push_back(path + ": " + what); }},
        memory)));
    EXPECT_THAT(problems, ::testing::IsEmpty());
    ASSERT_TRUE(world_.open().has_value());
    EXPECT_FALSE(world_.log("t")->is_damaged());
  }

  const Uuid id_{std::array<std::byte, 16>{std::byte{3}}};
  testing::LogSetWorld world_;
  std::shared_ptr<Log> log_;
  std::vector<std::pair<int64_t, KeyValue>> before_;
  RangeCopy copy_;
  std::vector<Offset> bases_;
};

TEST_F(RepairTest, AFlippedBitCostsOneBatch) {
  flip(segment(1), size_of(segment(1)) / 2);
  look();
  const RepairPlan plan = repair();
  EXPECT_EQ(plan.ranges, 1U);
  EXPECT_LT(plan.bytes, 200U);
  EXPECT_FALSE(plan.cut);
  expect_whole();
}

TEST_F(RepairTest, AFlippedBitIsFoundAgainAfterARestartThatDidNotLook) {
  restart_after([&] { flip(segment(1), size_of(segment(1)) / 2); });
  EXPECT_FALSE(log_->is_damaged()) << "a clean start reads no batch";
  look();
  repair();
  expect_whole();
}

TEST_F(RepairTest, DamageInSeveralSegmentsIsPutRightAtOnce) {
  flip(segment(0), 70);
  flip(segment(2), size_of(segment(2)) - 3);
  flip(segment(4), 4);
  look();
  EXPECT_EQ(repair().ranges, 3U);
  expect_whole();
}

TEST_F(RepairTest, AnOffsetThatNoChecksumCoversIsDamageToo) {
  // The low byte of the second batch's: it overlaps the third.
  const uint64_t batch = size_of(segment(1)) / static_cast<uint64_t>(bases_[2] - bases_[1]);
  flip(segment(1), batch + 7);
  look();
  EXPECT_EQ(repair().ranges, 1U);
  expect_whole();
}

TEST_F(RepairTest, AZeroedPageIsFetched) {
  write(segment(2), 100, std::vector<std::byte>(size_of(segment(2)) - 200));
  look();
  EXPECT_GT(repair().bytes, 200U);
  expect_whole();
}

TEST_F(RepairTest, ASegmentOfZerosIsFetched) {
  write(segment(0), 0, std::vector<std::byte>(size_of(segment(0))));
  look();
  repair();
  expect_whole();
}

TEST_F(RepairTest, ASegmentThatWasCutShortIsMadeWhole) {
  restart_after([&] { cut(segment(1), size_of(segment(1)) / 2); });
  EXPECT_FALSE(repair().cut);
  expect_whole();
}

TEST_F(RepairTest, ASegmentThatIsGoneComesBack) {
  restart_after([&] { remove(segment(2)); });
  const RepairPlan plan = repair();
  EXPECT_EQ(plan.rewritten, std::vector<Offset>{bases_[2]});
  expect_whole();
}

TEST_F(RepairTest, ManySegmentsThatAreGoneComeBackAsSegments) {
  restart_after([&] {
    for (const size_t place : {1, 2, 3}) remove(segment(place));
  });
  EXPECT_GE(repair().rewritten.size(), 2U);
  expect_whole();
}

TEST_F(RepairTest, AStaleSegmentIsMadeWhole) {
  restart_after([&] {
    // As an old copy of the file would have it.
    cut(segment(2), 0);
  });
  repair();
  expect_whole();
}

TEST_F(RepairTest, ALogThatLostItsTailEndsThereAndGoesOnAsAFollower) {
  const size_t last = bases_.size() - 1;
  restart_after([&] {
    remove(segment(last));
    cut(segment(last - 1), size_of(segment(last - 1)) - 10);
  });
  const RepairPlan plan = repair();
  ASSERT_TRUE(plan.cut);
  EXPECT_FALSE(log_->is_damaged());
  EXPECT_EQ(log_->ends().end, plan.end);
  EXPECT_LT(plan.end, Offset(40));
  restart_after([] {});
  EXPECT_FALSE(log_->is_damaged()) << "nobody counts on what was lost any more";
}

TEST_F(RepairTest, WhatIsNotKnownToBeCommittedIsCutAndNotFetched) {
  const Offset committed = bases_[3];
  restart_after([&] {
    const std::string checkpoint = "0\n1\nt 0 " + std::to_string(committed.value()) + "\n";
    cut("/data/replication-offset-checkpoint", 0);
    write("/data/replication-offset-checkpoint", 0,
          {as_bytes(checkpoint).begin(), as_bytes(checkpoint).end()});
    flip(segment(1), 66);
    flip(segment(3), 66);
  });
  look();
  const RepairPlan plan = repair();
  EXPECT_EQ(plan.ranges, 1U);
  ASSERT_TRUE(plan.cut);
  EXPECT_EQ(log_->ends().end, committed);
  before_.resize(static_cast<size_t>(committed.value()));
  EXPECT_EQ(world_.read_all(*log_), before_);
}

TEST_F(RepairTest, WhatTheOtherReplicaCannotShowIsCut) {
  flip(segment(2), 66);
  look();
  copy_.forget(bases_[2], bases_[3]);
  const RepairPlan plan = repair();
  ASSERT_TRUE(plan.cut);
  EXPECT_EQ(log_->ends().end, bases_[2]);
  EXPECT_FALSE(log_->is_damaged());
}

TEST_F(RepairTest, RecordsOfAnotherEpochDoNotFit) {
  flip(segment(2), 66);
  look();
  copy_.restamp(LeaderEpoch(500));
  EXPECT_TRUE(repair().cut);
}

TEST_F(RepairTest, WithoutALeaderWhatAnotherProvablyHasIsPutIn) {
  flip(segment(1), 66);
  flip(segment(3), size_of(segment(3)) - 3);
  write(segment(4), 100, std::vector<std::byte>(200));
  look();
  const RepairPlan plan = repair(true);
  EXPECT_EQ(plan.ranges, 3U);
  EXPECT_THAT(plan.lost, ::testing::IsEmpty());
  expect_whole();
}

TEST_F(RepairTest, WithoutALeaderALostTailComesBackFromWhoHasIt) {
  const size_t last = bases_.size() - 1;
  restart_after([&] {
    remove(segment(last));
    cut(segment(last - 1), size_of(segment(last - 1)) - 10);
  });
  const RepairPlan plan = repair(true);
  EXPECT_FALSE(plan.cut);
  EXPECT_EQ(plan.end, Offset(40));
  expect_whole();
}

TEST_F(RepairTest, WithoutALeaderWhatNobodyHasStaysReportedAndTheRestIsPutRight) {
  flip(segment(0), 66);
  flip(segment(2), 66);
  look();
  copy_.forget(bases_[2], bases_[3]);
  const RepairPlan plan = repair(true);
  const std::string first = std::to_string(bases_[2].value());
  EXPECT_THAT(plan.lost, ::testing::ElementsAre("offsets " + first + " to " + first));
  EXPECT_EQ(plan.rewritten, std::vector<Offset>{bases_[0]});
  EXPECT_FALSE(plan.cut) << "nobody else can say where the log ends";
  EXPECT_TRUE(log_->is_damaged());
  EXPECT_EQ(log_->ends().end, Offset(40));
}

TEST_F(RepairTest, WithoutALeaderAnotherHistoryProvesNothing) {
  flip(segment(2), 66);
  look();
  copy_.restamp(LeaderEpoch(7));
  const RepairPlan plan = repair(true);
  EXPECT_EQ(plan.lost.size(), 1U);
  EXPECT_THAT(plan.rewritten, ::testing::IsEmpty());
  EXPECT_TRUE(log_->is_damaged());
}

TEST_F(RepairTest, AFolderThatIsNoLogOfItsTopicIsPutAsideForAnEmptyLog) {
  restart_after([] {});
  log_.reset();
  const Uuid other{std::array<std::byte, 16>{std::byte{5}}};
  auto fresh = world_.run(world_.set().start_over(kPartition, other, world_.log_options));
  ASSERT_TRUE(fresh.has_value()) << fresh.error().message();
  EXPECT_EQ((*fresh)->ends().end, Offset(0));
  EXPECT_FALSE((*fresh)->is_damaged());
  fresh->reset();
  ASSERT_TRUE(world_.close().has_value());
  size_t aside = 0;
  for (const auto& entry : *world_.run(world_.disk().list("/data"))) {
    aside += entry.name.starts_with("t-0.") && entry.name.ends_with("-stray") ? 1 : 0;
  }
  EXPECT_EQ(aside, 1U) << "what was there is nobody's to remove";
  ASSERT_TRUE(world_.open().has_value());
  EXPECT_EQ(world_.log("t")->topic_id(), other);
}

TEST_F(RepairTest, ALostFolderIsDamageAndNotAnEmptyLog) {
  log_.reset();
  ASSERT_TRUE(world_.close().has_value());
  ASSERT_TRUE(world_.run(world_.disk().remove_directory(kFolder, true)).has_value());
  ASSERT_TRUE(world_.open().has_value());
  log_ = *world_.run(world_.set().create(kPartition, id_, world_.log_options));
  ASSERT_TRUE(log_->damage());
  EXPECT_THAT(*log_->damage(), ::testing::HasSubstr("everything before 40 was synced"));
  EXPECT_EQ(world_.append(*log_, {{"a", "b"}}).error().code(), Errc::partition_corrupt);
  repair();
  EXPECT_FALSE(log_->is_damaged());
  EXPECT_EQ(log_->ends().end, Offset(0));
}

TEST_F(RepairTest, ALostFolderStaysLostUntilItsPartitionIsServed) {
  log_.reset();
  ASSERT_TRUE(world_.close().has_value());
  ASSERT_TRUE(world_.run(world_.disk().remove_directory(kFolder, true)).has_value());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(world_.open().has_value());
    world_.die(sim::CrashMode::lose_all);
  }
  ASSERT_TRUE(world_.open().has_value());
  log_ = *world_.run(world_.set().create(kPartition, id_, world_.log_options));
  EXPECT_TRUE(log_->is_damaged());
  log_.reset();
  world_.die(sim::CrashMode::lose_all);
  ASSERT_TRUE(world_.open().has_value());
  log_ = world_.log("t");
  ASSERT_NE(log_, nullptr);
  EXPECT_TRUE(log_->is_damaged()) << "the empty folder is not all there was";
}

TEST_F(RepairTest, StaleIndexesAreBuiltAgain) {
  restart_after([&] {
    // An entry less than there was, and one segment's in place of another's.
    cut(segment(1, kIndexSuffix), size_of(segment(1, kIndexSuffix)) - 8);
    for (const std::string_view suffix : {kIndexSuffix, kTimeIndexSuffix}) {
      remove(segment(2, suffix));
      ASSERT_TRUE(world_.run(world_.disk().rename(segment(3, suffix), segment(2, suffix))));
    }
  });
  EXPECT_FALSE(log_->is_damaged());
  expect_whole();
}

TEST_F(RepairTest, AStaleOrCorruptEpochFileIsMadeAnewFromTheBatches) {
  const std::string path = kFolder + "/leader-epoch-checkpoint";
  for (const std::string_view text : {"0\n1\n0 0\n", "0\n2\n0 0\n14 9\n", "rot", ""}) {
    restart_after([&] {
      cut(path, 0);
      write(path, 0, {as_bytes(text).begin(), as_bytes(text).end()});
    });
    EXPECT_FALSE(log_->is_damaged());
    EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(29)) << text;
    EXPECT_EQ(log_->end_of_epoch(LeaderEpoch(0)).second, Offset(14)) << text;
    EXPECT_EQ(log_->end_of_epoch(LeaderEpoch(14)).second, Offset(29)) << text;
  }
  restart_after([&] { remove(path); });
  EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(29));
}

TEST_F(RepairTest, StaleOrCorruptCheckpointsCostNothing) {
  for (const std::string_view text : {"0\n1\nt 0 7\n", "0\n1\nt 0 7000\n", "rot", ""}) {
    restart_after([&] {
      for (const char* name : {"replication-offset-checkpoint", "recovery-point-offset-checkpoint",
                               "cleaner-offset-checkpoint"}) {
        cut(std::string("/data/") + name, 0);
        write(std::string("/data/") + name, 0, {as_bytes(text).begin(), as_bytes(text).end()});
      }
    });
    EXPECT_FALSE(log_->is_damaged()) << text;
    EXPECT_EQ(world_.read_all(*log_), before_) << text;
    EXPECT_LE(log_->high_watermark(), Offset(40));
  }
}

}  // namespace
}  // namespace sluice::storage
