#include "storage/compaction_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::storage {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

/// Segments of ten offsets and the given bytes each; the last one active.
std::vector<SegmentInfo> segments(std::vector<uint64_t> bytes) {
  std::vector<SegmentInfo> all;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto base = static_cast<int64_t>(i) * 10;
    all.push_back({.base = Offset(base),
                   .next = Offset(base + 10),
                   .bytes = bytes[i],
                   .max_timestamp = Timestamp(base),
                   .active = i + 1 == bytes.size()});
  }
  return all;
}

constexpr Offset kNever{-1};
constexpr Offset kAll{1000};

TEST(PlanCompaction, TakesAllSealedSegmentsOfALogNeverCompacted) {
  const auto plan = plan_compaction(segments({5, 5, 5}), {}, kNever, kAll, Timestamp(0));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->first_dirty, 0u);
  EXPECT_EQ(plan->end, 2u);
  EXPECT_EQ(plan->dirty_start, Offset(0));
  EXPECT_EQ(plan->dirty_ratio, 1.0);
}

TEST(PlanCompaction, MapsKeysFromWhereTheLastOneEnded) {
  const auto plan = plan_compaction(segments({5, 5, 10, 5}), {}, Offset(15), kAll, Timestamp(0));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->first_dirty, 1u);
  EXPECT_EQ(plan->dirty_start, Offset(15));
  EXPECT_EQ(plan->dirty_ratio, 0.75);
}

TEST(PlanCompaction, WaitsUntilEnoughIsDirty) {
  EXPECT_FALSE(plan_compaction(segments({9, 1, 5}), {}, Offset(10), kAll, Timestamp(0)));
  EXPECT_FALSE(plan_compaction(segments({9, 5}), {}, Offset(10), kAll, Timestamp(0)));
}

TEST(PlanCompaction, StaysBelowTheHighWatermark) {
  const auto plan = plan_compaction(segments({5, 5, 5}), {}, kNever, Offset(19), Timestamp(0));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->end, 1u);
}

TEST(PlanCompaction, LeavesYoungSegments) {
  LogOptions options;
  options.min_compaction_lag_ms = 100ms;
  const auto plan = plan_compaction(segments({5, 5, 5}), options, kNever, kAll, Timestamp(105));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->end, 1u);
}

TEST(GroupSegments, FillsSegmentsUpToTheirSize) {
  LogOptions options;
  options.segment_bytes = 10;
  const auto groups = group_segments(segments({4, 4, 4, 20, 1, 1}), std::vector<bool>(6), options);
  EXPECT_THAT(groups, ElementsAre(CompactionGroup{0, 2}, CompactionGroup{2, 1},
                                  CompactionGroup{3, 1}, CompactionGroup{4, 2}));
}

TEST(GroupSegments, KeepsMarkedSegmentsByThemselves) {
  const auto groups = group_segments(segments({4, 4, 4}), {false, true, false}, {});
  EXPECT_THAT(groups,
              ElementsAre(CompactionGroup{0, 1}, CompactionGroup{1, 1}, CompactionGroup{2, 1}));
}

TEST(GroupSegments, KeepsOffsetsWithinReachOfTheIndex) {
  auto far = segments({4, 4});
  far[1].next = Offset((int64_t{1} << 31) + 1);
  EXPECT_EQ(group_segments(far, {false, false}, {}).size(), 2u);
}

}  // namespace
}  // namespace sluice::storage
