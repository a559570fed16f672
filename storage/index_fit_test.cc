#include "storage/index_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/inspect.h"
#include "storage/segment_name.h"
#include "tests/support/log_set_world.h"

// What becomes of index entries that went bad in a way that their own order does not show.
namespace sluice::storage {
namespace {

class IndexFitTest : public ::testing::Test {
 protected:
  IndexFitTest() {
    world_.log_options.segment_bytes = 1500;
    world_.log_options.index_interval_bytes = 100;
    EXPECT_TRUE(world_.open().has_value());
    auto log = *world_.create("t", id_);
    for (int i = 0; i < 40; ++i) {
      EXPECT_TRUE(world_.append(*log, {{"key", "value", Timestamp(1000 + i * 1000)}}).has_value());
    }
    EXPECT_TRUE(world_.run(log->sync_to(Offset(40))).has_value());
    for (const auto& segment : *world_.run(log->segments())) bases_.push_back(segment.base);
    EXPECT_GE(bases_.size(), 3U);
    log.reset();
    EXPECT_TRUE(world_.close().has_value());
  }
  void flip(size_t place, std::string_view suffix, uint64_t at) {
    const std::string path = segment_path("/data/t-0", bases_[place], suffix);
    auto file = *world_.run(world_.disk().open(path, io::OpenMode::write));
    std::byte byte;
    ASSERT_TRUE(world_.run(file->read_at(at, MutableBytes(&byte, 1), io::Lane::cold)));
    byte ^= std::byte{4};
    const ByteView view(&byte, 1);
    ASSERT_TRUE(world_.run(file->write_at(at, std::span(&view, 1), io::Lane::cold)));
  }
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    MemoryBudget memory("test", 64_MiB);
    EXPECT_TRUE(world_.run(inspect(
        world_.disk(), "/data", {.verify = true, .dense = true},
        {.on_problem = [&](const std::string& path,
                           const std::string& what) { found.push_back(path + ": " + what); }},
        memory)));
    return found;
  }

  const Uuid id_{std::array<std::byte, 16>{std::byte{3}}};
  testing::LogSetWorld world_;
  std::vector<Offset> bases_;
};

TEST_F(IndexFitTest, AnEntryThatFlippedIsFoundByReadingAllAndItsIndexMadeAnew) {
  for (const size_t place : {size_t{0}, bases_.size() - 1}) {
    flip(place, kIndexSuffix, 8 + 7);
    flip(place, kTimeIndexSuffix, 12 + 7);
  }
  ASSERT_FALSE(problems().empty());
  ASSERT_TRUE(world_.open().has_value());
  auto log = world_.log("t");
  const std::atomic<bool> stopping{false};
  ASSERT_TRUE(world_.run(world_.set().check_all({"t", PartitionId(0)}, stopping)).has_value());
  EXPECT_FALSE(log->is_damaged());
  for (int64_t at = 0; at < 40; ++at) {
    const auto read = world_.run(log->read({.from = Offset(at), .bound = Offset(40)}));
    ASSERT_TRUE(read.has_value());
    EXPECT_GT(read->slice.length, 0U) << at;
    const auto found = world_.run(log->find_by_time(Timestamp(1000 + at * 1000)));
    EXPECT_EQ(found->offset, Offset(at));
  }
  ASSERT_TRUE(world_.append(*log, {{"key", "more", Timestamp(100'000)}}).has_value());
  log.reset();
  ASSERT_TRUE(world_.close().has_value());
  EXPECT_THAT(problems(), ::testing::IsEmpty());
  ASSERT_TRUE(world_.open().has_value());
  EXPECT_EQ(world_.read_all(*world_.log("t")).size(), 41U);
}

TEST_F(IndexFitTest, WhatNamesTheEndOfASealedSegmentAndTheTopicsIdArePutRight) {
  ASSERT_TRUE(world_.open().has_value());
  {
    const std::string path = segment_path("/data/t-0", bases_[0], kTimeIndexSuffix);
    auto file = *world_.run(world_.disk().open(path, io::OpenMode::read));
    // The offset of its last entry is now far behind the segment.
    flip(0, kTimeIndexSuffix, *file->size() - 4);
    auto id = *world_.run(world_.disk().open("/data/t-0/partition.metadata", io::OpenMode::write));
    const ByteView rot = as_bytes("verzion");
    ASSERT_TRUE(world_.run(id->write_at(0, std::span(&rot, 1), io::Lane::cold)));
  }
  EXPECT_GE(problems().size(), 2U);
  const std::atomic<bool> stopping{false};
  ASSERT_TRUE(world_.run(world_.set().check_all({"t", PartitionId(0)}, stopping)).has_value());
  ASSERT_TRUE(world_.close().has_value());
  EXPECT_THAT(problems(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace sluice::storage
