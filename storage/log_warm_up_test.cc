#include <gtest/gtest.h>

#include "storage/log_fixture.h"

namespace sluice::storage {
namespace {

class LogWarmUpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.create());
    ASSERT_TRUE(world_.run(world_.log().start_epoch(LeaderEpoch(0))));
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(world_.append());
    ASSERT_GT(world_.run(world_.log().segments())->size(), 3U);
  }
  std::vector<SegmentInfo> segments() { return *world_.run(world_.log().segments()); }
  std::shared_ptr<io::File> file_of(const SegmentInfo& segment) {
    return *world_.run(segment.file->open());
  }
  void cool_down() {
    for (const SegmentInfo& segment : segments()) file_of(segment)->drop_cache(0, segment.bytes);
  }
  bool is_warm(const SegmentInfo& segment) {
    return *file_of(segment)->resident(0, segment.bytes) == segment.bytes;
  }
  LogWorld world_;
};

TEST_F(LogWarmUpTest, ReadsInTheEndAndNothingElse) {
  cool_down();
  const auto all = segments();
  ASSERT_TRUE(world_.run(world_.log().warm_up(all.back().bytes + 1)));
  EXPECT_TRUE(is_warm(all.back()));
  EXPECT_FALSE(is_warm(all.front()));
}

TEST_F(LogWarmUpTest, ReadsInAllOfAShortLog) {
  cool_down();
  ASSERT_TRUE(world_.run(world_.log().warm_up(1_GiB)));
  for (const SegmentInfo& segment : segments()) EXPECT_TRUE(is_warm(segment));
}

TEST_F(LogWarmUpTest, ReadsNothingThatIsThere) {
  ASSERT_TRUE(world_.run(world_.log().warm_up(1_GiB)));
  int reads = 0;
  world_.disk().set_observer([&](const sim::DiskCall& call, bool) {
    reads += call.op == sim::DiskOp::read_ahead ? 1 : 0;
  });
  ASSERT_TRUE(world_.run(world_.log().warm_up(1_GiB)));
  world_.disk().set_observer({});
  EXPECT_EQ(reads, 0);
}

}  // namespace
}  // namespace sluice::storage
