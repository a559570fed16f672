#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/log_fixture.h"
#include "storage/segment_name.h"

// What recovery makes of a log that lost what was promised, and what it must not take away.
namespace sluice::storage {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kFirst = "00000000000000000000.log";

/// Batches of one record over several segments, of a process that was killed.
class RecoveryDamageTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.create());
    ASSERT_TRUE(world_.run(world_.log().start_epoch(LeaderEpoch(0))));
    for (int i = 0; i < 110; ++i) ASSERT_TRUE(world_.append());
    const auto segments = *world_.run(world_.log().segments());
    ASSERT_GT(segments.size(), 3u);
    second_ = segments[1].base;
    ASSERT_TRUE(world_.close());
    world_.params().synced_end = world_.params().recovery_point = Offset(110);
  }
  void open() {
    auto opened = world_.open();
    ASSERT_TRUE(opened) << opened.error().message();
  }
  Log& log() { return world_.log(); }
  void remove(Offset base) {
    ASSERT_TRUE(world_.run(world_.disk().remove(segment_path("/data/t-0", base, kLogSuffix))));
  }
  /// The log consists of its first segment only, which is the last then.
  void keep_first() {
    for (const std::string& name : world_.files()) {
      const auto parsed = parse_segment_name(name);
      if (parsed && parsed->offset >= second_ && parsed->suffix == kLogSuffix)
        remove(parsed->offset);
    }
  }
  static uint64_t batch_size() { return make_batch({}).size(); }

  LogWorld world_;
  Offset second_{0};
};

TEST_F(RecoveryDamageTest, KeepsALogThatIsDamagedBelowItsStart) {
  keep_first();
  const uint64_t size = world_.size_of(kFirst);
  world_.params().log_start = Offset(8);
  world_.params().synced_end = second_;
  world_.flip_byte(kFirst, 4 * batch_size() + 70);
  open();
  ASSERT_TRUE(log().damage());
  EXPECT_EQ(world_.size_of(kFirst), size) << "the bytes are kept";
  EXPECT_EQ(log().ends().start, Offset(8));
  EXPECT_EQ(log().ends().end, Offset(8));
  EXPECT_EQ(log().high_watermark(), Offset(8));
  EXPECT_THAT(world_.read_all(), IsEmpty());
  EXPECT_EQ(world_.append().error().code(), Errc::partition_corrupt);
}

TEST_F(RecoveryDamageTest, KeepsACleanlyClosedLogThatEndsBelowItsStart) {
  keep_first();
  world_.params().clean = true;
  world_.params().synced_end = Offset(0);
  world_.params().log_start = Offset(8);
  world_.resize(kFirst, 4 * batch_size());
  open();
  EXPECT_TRUE(log().damage());
  EXPECT_EQ(world_.size_of(kFirst), 4 * batch_size());
}

TEST_F(RecoveryDamageTest, ALogThatLostAllItsSegmentsIsDamagedUntilTheyAreBack) {
  keep_first();
  remove(Offset(0));
  for (const bool clean : {false, true, false}) {
    world_.params().clean = clean;
    open();
    ASSERT_TRUE(log().damage()) << "clean " << clean;
    EXPECT_THAT(*log().damage(), HasSubstr("everything before 110 was synced"));
    EXPECT_EQ(world_.append().error().code(), Errc::partition_corrupt);
    world_.abandon();
  }
}

TEST_F(RecoveryDamageTest, ALogThatLostItsLastSegmentsIsDamaged) {
  keep_first();
  for (const bool clean : {true, false}) {
    world_.params().clean = clean;
    open();
    EXPECT_TRUE(log().damage()) << "clean " << clean;
    EXPECT_EQ(log().ends().end, second_);
    world_.abandon();
  }
}

TEST_F(RecoveryDamageTest, GoesOnAtItsStartWhenAllThatWasSyncedWasDeleted) {
  keep_first();
  remove(Offset(0));
  world_.params().log_start = Offset(110);
  open();
  EXPECT_FALSE(log().damage());
  EXPECT_EQ(world_.append()->base_offset, Offset(110));
}

TEST_F(RecoveryDamageTest, ALostMiddleSegmentIsDamageUnlessCompactionLeavesGaps) {
  remove(second_);
  for (const bool clean : {true, false}) {
    world_.params().clean = clean;
    open();
    ASSERT_TRUE(log().damage()) << "clean " << clean;
    EXPECT_EQ(log().ends().end, second_);
    world_.abandon();
  }
  world_.params().cleaned_end = Offset(50);
  open();
  EXPECT_FALSE(log().damage());
  EXPECT_EQ(log().ends().end, Offset(110));
}

TEST_F(RecoveryDamageTest, ABatchWhoseOffsetLiesInTheNextSegmentIsDamage) {
  world_.params().recovery_point = Offset(0);
  world_.params().cleaned_end = Offset(110);  // so that a gap alone proves nothing
  // The fifth byte of the offset, which no checksum covers.
  world_.flip_byte(kFirst, world_.size_of(kFirst) - batch_size() + 4);
  open();
  ASSERT_TRUE(log().damage());
  EXPECT_LT(log().ends().end, second_);
}

TEST_F(RecoveryDamageTest, KeepsASnapshotThatTheDiskDidNotGive) {
  const char* const snapshot = "00000000000000000110.snapshot";
  ASSERT_THAT(world_.files(), Contains(snapshot));
  world_.disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    const bool bad = call.op == sim::DiskOp::read && call.path.ends_with(kSnapshotSuffix);
    return bad ? std::optional(Errc::disk_failed) : std::nullopt;
  });
  open();
  EXPECT_FALSE(log().damage());
  EXPECT_THAT(world_.files(), Contains(snapshot));
}

TEST_F(RecoveryDamageTest, ASnapshotAboveTheEndDoesNotComeBackAfterAPowerCut) {
  const char* const snapshot = "00000000000000000500.snapshot";
  world_.run(world_.disk().open(std::string("/data/t-0/") + snapshot, io::OpenMode::create_new));
  ASSERT_TRUE(world_.run(world_.disk().sync_directory("/data/t-0")));
  open();
  EXPECT_THAT(world_.files(), Not(Contains(snapshot)));
  LogWorld after(world_.disk().crash(sim::CrashMode::lose_all, world_.simulator().random()));
  EXPECT_THAT(after.files(), Contains(kFirst));
  EXPECT_THAT(after.files(), Not(Contains(snapshot)));
}

}  // namespace
}  // namespace sluice::storage
