#include "storage/mapped_index.h"

#include <gtest/gtest.h>

#include "storage/file_cache.h"
#include "storage/offset_index.h"
#include "storage/time_index.h"
#include "tests/sim/simulator.h"

namespace sluice::storage {
namespace {

class IndexTest : public testing::Test {
 protected:
  std::shared_ptr<SegmentFile> file() {
    return std::make_shared<SegmentFile>(node_.disk(), cache_, "/index");
  }
  template <class T>
  T run(io::Task<T> task) {
    return simulator_.run_on(node_.runtime().executor.worker(0), std::move(task));
  }
  /// Entries for batches that end at 9, 19, ... and begin at 0, 1000, ...
  void fill(OffsetIndex& index, int count) {
    for (int i = 0; i < count; ++i) {
      if (index.entries().needs_flush()) ASSERT_TRUE(run(index.entries().flush(io::Lane::hot)));
      index.append(
          {.last_offset = Offset(100 + 10 * i + 9), .position = static_cast<uint32_t>(1000 * i)});
    }
  }

  sim::Simulator simulator_{1};
  sim::SimNode& node_ = simulator_.add_node("node");
  FileCache cache_{8};
};

TEST_F(IndexTest, FindsEntriesInFileAndTail) {
  OffsetIndex index(file(), cache_, Offset(100), 64_KiB, 0);
  fill(index, 1300);  // two full tails in the file, some in memory
  const auto view = *run(index.view());
  ASSERT_EQ(view.size(), 1300u);
  EXPECT_FALSE(view.floor(Offset(108)));
  for (int i = 0; i < 1300; ++i) {
    const Offset last(100 + 10 * i + 9);
    EXPECT_EQ(view.floor(last)->position, 1000u * static_cast<uint32_t>(i));
    EXPECT_EQ(view.floor(last + 5)->last_offset, last);
    EXPECT_EQ(view.ceiling(last)->last_offset, last);
    EXPECT_EQ(view.floor_position(1000 * static_cast<uint64_t>(i) + 999)->last_offset, last);
  }
}

TEST_F(IndexTest, IsOnDiskAsKafkaLaysItOut) {
  OffsetIndex index(file(), cache_, Offset(100), 64_KiB, 0);
  index.append({.last_offset = Offset(0x1234 + 100), .position = 0x567});
  ASSERT_TRUE(run(index.entries().seal(io::Lane::hot)));
  const auto bytes = *run(io::read_file(node_.disk(), "/index", 100));
  ASSERT_EQ(bytes.size(), 8u);
  EXPECT_EQ(load_be<int32_t>(bytes.data()), 0x1234);
  EXPECT_EQ(load_be<int32_t>(bytes.data() + 4), 0x567);
}

TEST_F(IndexTest, ForgetsEntriesBehindACutWhereverItFalls) {
  for (const int kept : {1299, 1024, 1023, 600, 512, 100, 1, 0}) {
    OffsetIndex index(file(), cache_, Offset(100), 64_KiB, 0);
    fill(index, 1300);
    const auto before = *run(index.view());
    index.truncate(before, static_cast<uint64_t>(kept) * 1000);
    EXPECT_EQ(run(index.view())->size(), static_cast<size_t>(kept));
    EXPECT_EQ(before[1299].position, 1299'000u) << "a view stays as it was";
    index.append({.last_offset = Offset(100'000), .position = 5'000'000});
    EXPECT_EQ(run(index.view())->last()->position, 5'000'000u);
    EXPECT_EQ(run(index.view())->size(), static_cast<size_t>(kept) + 1);
  }
}

TEST_F(IndexTest, SealTrimsTheFileAfterACut) {
  OffsetIndex index(file(), cache_, Offset(100), 64_KiB, 0);
  fill(index, 1300);
  index.truncate(*run(index.view()), 10'000);
  ASSERT_TRUE(run(index.entries().seal(io::Lane::hot)));
  EXPECT_EQ(run(io::read_file(node_.disk(), "/index", 1_MiB))->size(), 80u);
}

TEST_F(IndexTest, IsMappedAgainAfterItWasEvicted) {
  OffsetIndex index(file(), cache_, Offset(100), 64_KiB, 0);
  fill(index, 600);
  ASSERT_TRUE(run(index.entries().seal(io::Lane::hot)));
  const auto before = *run(index.view());
  EXPECT_TRUE(index.entries().evict());
  EXPECT_EQ(before[599].position, 599'000u);
  EXPECT_EQ((*run(index.view()))[599].position, 599'000u);
}

TEST_F(IndexTest, IsBackInThePageCacheBeforeAnybodyLooksAtIt) {
  const auto at = file();
  OffsetIndex index(at, cache_, Offset(100), 64_KiB, 0);
  fill(index, 600);
  ASSERT_TRUE(run(index.entries().seal(io::Lane::hot)));
  ASSERT_TRUE(run(index.view()));
  const auto opened = *run(at->open());
  opened->drop_cache(0, 4800);
  ASSERT_LT(*opened->resident(0, 4800), 4800u);
  simulator_.run_for(2s);
  // The device fails: a look through the map would end the process.
  node_.disk().fail_all(sim::DiskOp::read_ahead, Errc::disk_failed);
  EXPECT_EQ(run(index.view()).error().code(), Errc::disk_failed);
  node_.disk().set_fault({});
  EXPECT_EQ((*run(index.view()))[599].position, 599'000u);
  EXPECT_EQ(*opened->resident(0, 4800), 4800u);
}

TEST_F(IndexTest, TimeIndexFindsTheLastEntryBefore) {
  TimeIndex index(file(), cache_, Offset(0), 64_KiB, 0);
  for (int i = 0; i < 300; ++i) {
    index.append({.timestamp = Timestamp(1000 + 10 * i), .offset = Offset(5 * i)});
  }
  ASSERT_TRUE(run(index.entries().seal(io::Lane::hot)));
  EXPECT_EQ(run(io::read_file(node_.disk(), "/index", 1_MiB))->size(), 3600u);
  const auto view = *run(index.view());
  EXPECT_FALSE(view.before(Timestamp(1000)));
  EXPECT_EQ(view.before(Timestamp(1001))->offset, Offset(0));
  EXPECT_EQ(view.before(Timestamp(2000))->offset, Offset(5 * 99));
  EXPECT_EQ(view.last()->timestamp, Timestamp(3990));
}

}  // namespace
}  // namespace sluice::storage
