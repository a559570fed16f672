#include "storage/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/log_fixture.h"
#include "storage/segment_name.h"

namespace sluice::storage {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kFirst = "00000000000000000000.log";

/// Ten batches of one record in one segment, of a process that was killed.
class RecoveryTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.create());
    ASSERT_TRUE(world_.run(world_.log().start_epoch(LeaderEpoch(0))));
    append(10);
    world_.abandon();
  }
  void append(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(world_.append());
  }
  void open() {
    auto opened = world_.open();
    ASSERT_TRUE(opened) << opened.error().message();
  }
  Log& log() { return world_.log(); }
  static uint64_t batch_size() { return make_batch({}).size(); }

  LogWorld world_;
};

TEST_F(RecoveryTest, CutsATornTailAtEveryByte) {
  const uint64_t whole = world_.size_of(kFirst);
  const auto content =
      *world_.run(io::read_file(world_.disk(), "/data/t-0/" + std::string(kFirst), 1_MiB));
  for (uint64_t size = whole; size-- > whole - 2 * batch_size();) {
    world_.resize(kFirst, size);
    world_.overwrite(kFirst, 0, ByteView(content).first(size));
    open();
    EXPECT_FALSE(log().damage());
    EXPECT_EQ(log().ends().end, Offset(static_cast<int64_t>(size / batch_size())));
    EXPECT_EQ(world_.size_of(kFirst), size / batch_size() * batch_size());
    world_.abandon();
  }
}

TEST_F(RecoveryTest, CutsZerosBehindTheLog) {
  world_.resize(kFirst, world_.size_of(kFirst) + 5000);
  open();
  EXPECT_FALSE(log().damage());
  EXPECT_EQ(log().ends().end, Offset(10));
  EXPECT_EQ(world_.size_of(kFirst), 10 * batch_size());
}

TEST_F(RecoveryTest, TakesNothingFromTheCacheThatAFailedSyncLost) {
  open();
  append(5);
  world_.disk().fail_all(sim::DiskOp::sync, Errc::disk_failed);
  EXPECT_FALSE(world_.run(log().sync_to(Offset(15))));
  world_.disk().set_fault({});
  world_.abandon();
  open();
  EXPECT_FALSE(log().damage());
  EXPECT_EQ(log().ends().end, Offset(10)) << "the open before had brought these to the device";
  EXPECT_EQ(world_.append()->base_offset, Offset(10));
}

TEST_F(RecoveryTest, GoesOnBehindACutTail) {
  world_.resize(kFirst, world_.size_of(kFirst) - 1);
  open();
  EXPECT_EQ(world_.append()->base_offset, Offset(9));
  EXPECT_EQ(world_.read_all().size(), 10u);
}

TEST_F(RecoveryTest, ABadBatchBelowTheSyncedEndIsDamage) {
  world_.params().synced_end = Offset(10);
  world_.params().power_lost = true;
  const uint64_t size = world_.size_of(kFirst);
  world_.flip_byte(kFirst, 4 * batch_size() + 70);
  open();
  ASSERT_TRUE(log().damage());
  EXPECT_THAT(*log().damage(), HasSubstr("everything before 10 was synced"));
  EXPECT_EQ(world_.size_of(kFirst), size) << "the bytes are kept";
  EXPECT_EQ(log().ends().end, Offset(4));
  EXPECT_THAT(world_.read_all(), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(world_.append().error().code(), Errc::partition_corrupt);
}

TEST_F(RecoveryTest, AGoodBatchBehindABadOneIsDamageUnlessThePowerWasLost) {
  world_.flip_byte(kFirst, 4 * batch_size() + 70);
  open();
  ASSERT_TRUE(log().damage());
  EXPECT_THAT(*log().damage(), HasSubstr("good batches behind it"));
  EXPECT_EQ(log().ends().end, Offset(4));
  world_.abandon();
  world_.params().power_lost = true;
  open();
  EXPECT_FALSE(log().damage());
  EXPECT_EQ(log().ends().end, Offset(4));
  EXPECT_EQ(world_.size_of(kFirst), 4 * batch_size());
}

TEST_F(RecoveryTest, ALastBatchThatIsBadAsAWholeIsDamageUnlessThePowerWasLost) {
  world_.flip_byte(kFirst, 9 * batch_size() + 70);
  open();
  ASSERT_TRUE(log().damage());
  EXPECT_THAT(*log().damage(), HasSubstr("a process that dies does not leave behind"));
  world_.abandon();
  world_.params().power_lost = true;
  open();
  EXPECT_FALSE(log().damage());
  EXPECT_EQ(log().ends().end, Offset(9));
}

TEST_F(RecoveryTest, FindsGoodBatchesBehindAnyFlippedByte) {
  for (uint64_t at = 8 * batch_size(); at < 9 * batch_size(); ++at) {
    // Base offset and leader epoch are in no checksum; a lower offset is seen, a higher one not.
    if (at % batch_size() < record::kMagicAt) continue;
    world_.flip_byte(kFirst, at);
    open();
    EXPECT_TRUE(log().damage()) << "byte " << at;
    EXPECT_EQ(log().ends().end, Offset(8));
    world_.abandon();
    world_.flip_byte(kFirst, at);
  }
}

TEST_F(RecoveryTest, ALogThatEndsBeforeItsSyncedEndIsDamaged) {
  world_.params().synced_end = Offset(10);
  world_.params().power_lost = true;
  world_.resize(kFirst, 9 * batch_size());
  open();
  ASSERT_TRUE(log().damage());
  EXPECT_THAT(world_.read_all(), testing::SizeIs(9));
}

TEST_F(RecoveryTest, ALostMiddleSegmentTailCutsWhatIsBehindAfterAPowerCut) {
  open();
  append(100);
  world_.abandon();
  world_.resize(kFirst, 7 * batch_size());
  open();
  EXPECT_TRUE(log().damage()) << "a process that dies loses nothing in the middle";
  world_.abandon();
  world_.params().power_lost = true;
  open();
  EXPECT_FALSE(log().damage());
  EXPECT_EQ(log().ends().end, Offset(7));
  EXPECT_THAT(world_.run(log().segments())->size(), 1u);
}

TEST_F(RecoveryTest, RebuildsLostAndGarbledIndexes) {
  open();
  append(100);
  world_.abandon();
  for (const std::string& name : world_.files()) {
    const auto parsed = parse_segment_name(name);
    if (!parsed || (parsed->suffix != kIndexSuffix && parsed->suffix != kTimeIndexSuffix)) continue;
    const std::string garbage(77, 'x');
    world_.overwrite(name, 0, as_bytes(garbage));
  }
  open();
  EXPECT_EQ(world_.read_all().size(), 110u);
  for (int64_t at = 0; at < 110; ++at) {
    EXPECT_THAT(world_.read({.from = Offset(at), .bound = Offset(110), .max_bytes = 1}),
                ElementsAre(at));
  }
}

TEST_F(RecoveryTest, ReplacesABadIndexOfACleanlyClosedLog) {
  open();
  append(100);
  ASSERT_TRUE(world_.close());
  world_.params().clean = true;
  world_.flip_byte("00000000000000000000.index", 3);
  world_.flip_byte("00000000000000000000.index", 7);
  open();
  EXPECT_FALSE(log().damage());
  for (int64_t at = 0; at < 110; ++at) {
    EXPECT_THAT(world_.read({.from = Offset(at), .bound = Offset(110), .max_bytes = 1}),
                ElementsAre(at));
  }
}

TEST_F(RecoveryTest, ReplacesATimeIndexOfZerosOfACleanlyClosedLog) {
  open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(world_.append({.timestamp = Timestamp(2000 + i)}));
  const auto before = *world_.run(log().segments());
  ASSERT_GT(before.size(), 1u);
  ASSERT_TRUE(world_.close());
  world_.params().clean = true;
  for (const std::string& name : world_.files()) {
    if (!name.ends_with(kTimeIndexSuffix)) continue;
    world_.overwrite(name, 0, std::vector<std::byte>(world_.size_of(name)));
  }
  open();
  const auto after = *world_.run(log().segments());
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i)
    EXPECT_EQ(after[i].max_timestamp, before[i].max_timestamp) << "segment " << i;
}

TEST_F(RecoveryTest, ReplacesAnIndexThatTheDeviceCannotRead) {
  open();
  append(100);
  ASSERT_TRUE(world_.close());
  world_.params().clean = true;
  uint64_t checked = 0;
  world_.params().on_recovered = [&](uint64_t bytes) { checked += bytes; };
  world_.disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    const bool bad = call.op == sim::DiskOp::read && call.path.ends_with("00000000.timeindex");
    return bad ? std::optional(Errc::disk_failed) : std::nullopt;
  });
  open();
  EXPECT_FALSE(log().damage());
  EXPECT_EQ(checked, world_.size_of(kFirst)) << "the one segment was read";
  EXPECT_EQ(world_.read_all().size(), 110u);
}

TEST_F(RecoveryTest, RemembersProducersFromTheLogAndFromSnapshots) {
  open();
  const TestBatch batch{
      .producer = ProducerId(9), .producer_epoch = ProducerEpoch(1), .sequence = 0};
  ASSERT_TRUE(world_.append(batch));
  world_.abandon();
  open();
  EXPECT_TRUE(world_.append(batch)->duplicate);
  append(60);  // over a roll, which leaves a snapshot
  world_.abandon();
  open();
  EXPECT_TRUE(world_.append(batch)->duplicate);
}

TEST_F(RecoveryTest, TakesEpochsOfTheBatchesWhenTheirFileIsLost) {
  ASSERT_TRUE(world_.run(world_.disk().remove("/data/t-0/leader-epoch-checkpoint")));
  open();
  EXPECT_EQ(log().latest_epoch(), LeaderEpoch(0));
  EXPECT_EQ(log().end_of_epoch(LeaderEpoch(0)), std::pair(LeaderEpoch(0), Offset(10)));
}

TEST_F(RecoveryTest, RemovesIndexesWithoutALog) {
  world_.run(world_.disk().open("/data/t-0/00000000000000000777.index", io::OpenMode::create));
  open();
  EXPECT_THAT(world_.files(), Not(Contains("00000000000000000777.index")));
}

TEST_F(RecoveryTest, ReadsFromTheRecoveryPointOnly) {
  open();
  append(100);
  ASSERT_TRUE(world_.run(log().sync_to(Offset(110))));
  world_.abandon();
  world_.params().recovery_point = world_.params().synced_end = Offset(110);
  uint64_t checked = 0;
  world_.params().on_recovered = [&](uint64_t bytes) { checked += bytes; };
  open();
  EXPECT_EQ(log().ends().end, Offset(110));
  EXPECT_LE(checked, tiny_options().segment_bytes);
}

}  // namespace
}  // namespace sluice::storage
