#include "storage/retention.h"

#include <gtest/gtest.h>

namespace sluice::storage {
namespace {

/// Segments of ten offsets and 100 bytes; the last one active.
std::vector<SegmentInfo> segments(std::vector<int64_t> timestamps) {
  std::vector<SegmentInfo> all;
  for (size_t i = 0; i < timestamps.size(); ++i) {
    const auto base = static_cast<int64_t>(i) * 10;
    all.push_back({.base = Offset(base),
                   .next = Offset(base + 10),
                   .bytes = 100,
                   .max_timestamp = Timestamp(timestamps[i]),
                   .active = i + 1 == timestamps.size()});
  }
  return all;
}

class RetentionTest : public ::testing::Test {
 protected:
  RetentionTest() {
    options_.retention_ms = 50;
    options_.retention_bytes = -1;
  }
  RetentionChoice choose(const std::vector<SegmentInfo>& of, int64_t now,
                         Offset high_watermark = Offset(1000)) {
    return choose_retention(of, Offset(0), options_, high_watermark, Timestamp(now));
  }
  LogOptions options_;
};

TEST_F(RetentionTest, KeepsWhatIsYoungEnough) {
  EXPECT_EQ(choose(segments({10, 20, 30}), 60), (RetentionChoice{.new_start = Offset(0)}));
}

TEST_F(RetentionTest, DropsOldSegmentsFromTheFirstOn) {
  EXPECT_EQ(choose(segments({10, 20, 30}), 75), (RetentionChoice{.new_start = Offset(20)}));
}

TEST_F(RetentionTest, StopsAtAYoungSegment) {
  EXPECT_EQ(choose(segments({10, 90, 20, 95}), 75), (RetentionChoice{.new_start = Offset(10)}));
}

TEST_F(RetentionTest, RollsAnOldActiveSegmentFirst) {
  EXPECT_EQ(choose(segments({10, 20}), 500),
            (RetentionChoice{.new_start = Offset(20), .roll_first = true}));
}

TEST_F(RetentionTest, LeavesAnEmptyActiveSegment) {
  auto empty = segments({10, -1});
  empty[1].bytes = 0;
  empty[1].next = empty[1].base;
  EXPECT_EQ(choose(empty, 500), (RetentionChoice{.new_start = Offset(10), .roll_first = false}));
}

TEST_F(RetentionTest, TakesSegmentsWithoutTimestampsForAsOldAsTheNext) {
  EXPECT_EQ(choose(segments({-1, 20, 80}), 75), (RetentionChoice{.new_start = Offset(20)}));
  EXPECT_EQ(choose(segments({-1, -1}), 500), (RetentionChoice{.new_start = Offset(0)}));
}

TEST_F(RetentionTest, StaysBelowTheHighWatermark) {
  EXPECT_EQ(choose(segments({10, 20, 30}), 75, Offset(19)),
            (RetentionChoice{.new_start = Offset(10)}));
}

TEST_F(RetentionTest, DropsSegmentsBeyondTheSizeButNeverTheActiveOne) {
  options_.retention_ms = -1;
  options_.retention_bytes = 250;
  EXPECT_EQ(choose(segments({1, 1, 1, 1}), 75).new_start, Offset(10));
  options_.retention_bytes = 200;
  EXPECT_EQ(choose(segments({1, 1, 1, 1}), 75).new_start, Offset(20));
  options_.retention_bytes = 0;
  EXPECT_EQ(choose(segments({1, 1, 1, 1}), 75),
            (RetentionChoice{.new_start = Offset(30), .roll_first = false}));
}

TEST_F(RetentionTest, DropsNothingWhenDeletionIsOff) {
  options_.cleanup_delete = false;
  EXPECT_EQ(choose(segments({10, 20}), 500).new_start, Offset(0));
}

}  // namespace
}  // namespace sluice::storage
