#include "storage/index_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "tests/sim/simulator.h"

namespace sluice::storage {
namespace {

using testing::HasSubstr;
using testing::Optional;

class IndexCheckTest : public testing::Test {
 protected:
  /// 300 entries of batches that end at 9, 19, ... and begin at 1000, 2000, ...
  void write_offsets() {
    for (int i = 0; i < 300; ++i) {
      add<int32_t>(10 * i + 9);
      add<int32_t>(1000 * (i + 1));
    }
  }
  template <class T>
  void add(T value) {
    bytes_.resize(bytes_.size() + sizeof(T));
    store_be(bytes_.data() + bytes_.size() - sizeof(T), value);
  }
  Result<std::optional<std::string>> check(IndexKind kind, IndexDepth depth = IndexDepth::all) {
    EXPECT_TRUE(run(io::replace_file(node_.disk(), "/index", bytes_)));
    return run(find_misfit(node_.disk(), "/index", bytes_.size(), kind, segment_, depth));
  }
  template <class T>
  T run(io::Task<T> task) {
    return simulator_.run_on(node_.runtime().executor.worker(0), std::move(task));
  }

  sim::Simulator simulator_{1};
  sim::SimNode& node_ = simulator_.add_node("node");
  IndexedSegment segment_{.base = Offset(100), .limit = Offset(3100), .bytes = 301'000};
  std::vector<std::byte> bytes_;
};

TEST_F(IndexCheckTest, TakesAnIndexThatFits) {
  write_offsets();
  EXPECT_EQ(*check(IndexKind::offsets), std::nullopt);
  EXPECT_EQ(*check(IndexKind::offsets, IndexDepth::last_entries), std::nullopt);
}

TEST_F(IndexCheckTest, RefusesEntriesOutsideOfTheSegment) {
  write_offsets();
  segment_.bytes = 300'000;
  EXPECT_THAT(*check(IndexKind::offsets), Optional(HasSubstr("position")));
  segment_.bytes = 301'000;
  segment_.limit = Offset(3099);
  EXPECT_THAT(*check(IndexKind::offsets), Optional(HasSubstr("offset")));
  segment_.limit = Offset(3100);
  bytes_[0] = std::byte{0x80};
  EXPECT_THAT(*check(IndexKind::offsets), Optional(HasSubstr("offset")));
}

TEST_F(IndexCheckTest, LooksAtOldEntriesOnlyWhenAskedForAll) {
  write_offsets();
  store_be<int32_t>(bytes_.data(), 25);
  EXPECT_THAT(*check(IndexKind::offsets), Optional(HasSubstr("grow")));
  EXPECT_EQ(*check(IndexKind::offsets, IndexDepth::last_entries), std::nullopt);
  store_be<int32_t>(bytes_.data() + 298 * 8, 2999);
  EXPECT_THAT(*check(IndexKind::offsets, IndexDepth::last_entries), Optional(HasSubstr("grow")));
}

TEST_F(IndexCheckTest, RefusesTimesThatDoNotGrow) {
  add<int64_t>(5000);
  add<int32_t>(9);
  EXPECT_EQ(*check(IndexKind::times), std::nullopt);
  add<int64_t>(5000);
  add<int32_t>(19);
  EXPECT_THAT(*check(IndexKind::times), Optional(HasSubstr("grow")));
}

TEST_F(IndexCheckTest, RefusesALoneTimeOfZeros) {
  bytes_.resize(12);
  EXPECT_THAT(*check(IndexKind::times), Optional(HasSubstr("zeros")));
  bytes_.resize(8);
  EXPECT_EQ(*check(IndexKind::offsets), std::nullopt) << "it leads to the segment's start";
}

TEST_F(IndexCheckTest, RefusesAPartOfAnEntryAndAShortFile) {
  bytes_.resize(11);
  EXPECT_THAT(*check(IndexKind::times), Optional(HasSubstr("11 bytes")));
  const auto longer =
      run(find_misfit(node_.disk(), "/index", 24, IndexKind::times, segment_, IndexDepth::all));
  EXPECT_THAT(*longer, Optional(HasSubstr("shorter")));
}

TEST_F(IndexCheckTest, TellsWhatCannotBeReadFromOtherErrors) {
  write_offsets();
  ASSERT_TRUE(check(IndexKind::offsets));
  const auto checked = [&] {
    return run(find_misfit(node_.disk(), "/index", bytes_.size(), IndexKind::offsets, segment_,
                           IndexDepth::all));
  };
  node_.disk().fail_all(sim::DiskOp::read, Errc::disk_failed);
  EXPECT_THAT(*checked(), Optional(HasSubstr("cannot be read")));
  node_.disk().fail_all(sim::DiskOp::read, Errc::disk_offline);
  EXPECT_EQ(checked().error(), Errc::disk_offline);
}

}  // namespace
}  // namespace sluice::storage
