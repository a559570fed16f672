#include "storage/write_pacer.h"

#include <gtest/gtest.h>

namespace sluice::storage {
namespace {

TEST(WritePacerTest, LeavesTheLoopAfterASlowWriteAndComesBack) {
  WritePacer pacer;
  EXPECT_EQ(pacer.lane(), io::Lane::hot);
  pacer.timed(std::chrono::milliseconds(20));
  EXPECT_EQ(pacer.lane(), io::Lane::background);
  EXPECT_TRUE(pacer.wants_timing()) << "slow writes are all timed";
  for (int i = 0; i < 64; ++i) pacer.timed(std::chrono::microseconds(10));
  EXPECT_EQ(pacer.lane(), io::Lane::hot);
}

TEST(WritePacerTest, WritesBackEachByteOnceInLargeSteps) {
  WritePacer pacer;
  uint64_t position = 0, written_back = 0;
  for (int i = 0; i < 10000; ++i) {
    pacer.wrote(position, 16_KiB);
    position += 16_KiB;
    if (const auto range = pacer.write_back()) {
      EXPECT_EQ(range->position, written_back);
      EXPECT_GE(range->length, 8_MiB);
      written_back += range->length;
    }
  }
  EXPECT_GT(written_back + 8_MiB, position);
}

TEST(WritePacerTest, ReservesNothingForAPartitionWithFewWrites) {
  WritePacer pacer;
  pacer.wrote(0, 500_KiB);
  EXPECT_FALSE(pacer.wants_space(1_GiB));
}

TEST(WritePacerTest, ReservesLargerStepsTheFasterItFills) {
  WritePacer pacer;
  TimePoint now{};
  uint64_t largest = 0;
  for (uint64_t position = 0; position < 900_MiB; position += 256_KiB) {
    pacer.wrote(position, 256_KiB);
    now += std::chrono::milliseconds(1);
    if (!pacer.wants_space(1_GiB)) continue;
    const auto range = pacer.reservation(1_GiB, now);
    ASSERT_TRUE(range);
    EXPECT_GE(range->length, largest);
    EXPECT_GE(range->position, position);
    EXPECT_LE(range->position + range->length, 1_GiB);
    largest = range->length;
  }
  EXPECT_EQ(largest, 64_MiB);
}

TEST(WritePacerTest, NeverReservesBeyondTheSegment) {
  WritePacer pacer;
  pacer.wrote(0, 4_MiB);
  EXPECT_FALSE(pacer.reservation(4_MiB, TimePoint{}));
  pacer.restart(0);
  pacer.wrote(0, 1_MiB);
  const auto range = pacer.reservation(1536_KiB, TimePoint{});
  ASSERT_TRUE(range);
  EXPECT_EQ(range->position + range->length, 1536_KiB);
}

}  // namespace
}  // namespace sluice::storage
