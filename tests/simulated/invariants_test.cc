#include "tests/simulated/invariants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Place kSynced{"synced", PartitionId(0)};
const Place kCached{"cached", PartitionId(0)};

/// A run of one partition each of a topic that syncs and one that does not.
class InvariantsTest : public testing::Test {
 protected:
  InvariantsTest() : history_([] { return Duration(0); }) {
    history_.add_topic("synced", Promise::synced);
    history_.add_topic("cached", Promise::cached);
    history_.set_log_complete();
  }

  void acknowledge(RecordId id, const Place& place, int64_t offset) {
    history_.sent(id, place, true);
    history_.acknowledged(id, Offset(offset));
  }
  void see(RecordId id, const Place& place, int64_t offset, int32_t epoch = 0) {
    history_.saw("reader", place, Offset(offset), LeaderEpoch(epoch), value_of(id));
  }
  void find(RecordId id, const Place& place, int64_t offset, int32_t epoch = 0) {
    history_.found(place, Offset(offset), LeaderEpoch(epoch), value_of(id));
  }
  auto broken() const { return broken_invariants(history_); }

  History history_;
};

TEST_F(InvariantsTest, HoldForAnOrderlyRun) {
  for (uint32_t i = 0; i < 3; ++i) {
    acknowledge({0, i}, kSynced, i);
    see({0, i}, kSynced, i);
    find({0, i}, kSynced, i);
  }
  history_.was_told("watcher", kSynced, Offset(3), {});
  EXPECT_THAT(broken(), IsEmpty());
}

TEST_F(InvariantsTest, MissAnAcknowledgedRecord) {
  acknowledge({0, 0}, kSynced, 0);
  EXPECT_THAT(broken(),
              ElementsAre("p0/0 was acknowledged at synced-0@0, but the log has nothing there"));
}

TEST_F(InvariantsTest, ForgiveALossByPowerOnlyWithoutSyncs) {
  acknowledge({0, 0}, kSynced, 0);
  acknowledge({0, 1}, kCached, 0);
  history_.begin_era();
  EXPECT_THAT(broken(), ElementsAre(HasSubstr("p0/0 was acknowledged at synced-0@0")));
}

TEST_F(InvariantsTest, DoNotForgiveALossWithoutAPowerCut) {
  history_.begin_era();
  acknowledge({0, 1}, kCached, 0);
  EXPECT_THAT(broken(), ElementsAre(HasSubstr("p0/1 was acknowledged at cached-0@0")));
}

TEST_F(InvariantsTest, FindARecordTwice) {
  acknowledge({0, 0}, kSynced, 0);
  find({0, 0}, kSynced, 0);
  find({0, 0}, kSynced, 1);
  EXPECT_THAT(broken(), testing::Contains("p0/0 is in the log 2 times: synced-0@0 synced-0@1"));
}

TEST_F(InvariantsTest, FindAGapInTheOffsets) {
  acknowledge({0, 0}, kSynced, 1);
  find({0, 0}, kSynced, 1);
  EXPECT_THAT(broken(), ElementsAre("the log of synced-0 goes on at 1 instead of 0"));
}

TEST_F(InvariantsTest, FindRecordsOutOfOrder) {
  acknowledge({0, 1}, kSynced, 0);
  acknowledge({0, 0}, kSynced, 1);
  find({0, 1}, kSynced, 0);
  find({0, 0}, kSynced, 1);
  EXPECT_THAT(broken(), ElementsAre("p0/0 stands at synced-0@1, behind p0/1"));
}

TEST_F(InvariantsTest, FindAnOffsetThatChangedItsValue) {
  acknowledge({0, 0}, kCached, 0);
  history_.sent({0, 1}, kCached, true);
  see({0, 1}, kCached, 0);
  history_.begin_era();
  find({0, 0}, kCached, 0);
  EXPECT_THAT(broken(),
              ElementsAre("cached-0@0 of epoch 0 was p0/1 for reader and is p0/0 for the log"));
}

TEST_F(InvariantsTest, LetAnotherEpochReuseAnOffsetThatAPowerCutTook) {
  acknowledge({0, 0}, kCached, 0);
  see({0, 0}, kCached, 0, 1);
  history_.begin_era();
  acknowledge({0, 1}, kCached, 0);
  find({0, 1}, kCached, 0, 2);
  EXPECT_THAT(broken(), IsEmpty());
}

TEST_F(InvariantsTest, FindAReaderThatSkips) {
  for (uint32_t i = 0; i < 3; ++i) {
    acknowledge({0, i}, kSynced, i);
    find({0, i}, kSynced, i);
  }
  see({0, 0}, kSynced, 0);
  see({0, 2}, kSynced, 2);
  EXPECT_THAT(broken(), ElementsAre("reader got synced-0@2 after 0"));
}

TEST_F(InvariantsTest, FindAHighWatermarkThatGoesBack) {
  history_.was_told("watcher", kSynced, Offset(3), {});
  history_.was_told("watcher", kCached, Offset(3), {});
  history_.begin_era();
  history_.was_told("watcher", kSynced, Offset(2), {});
  history_.was_told("watcher", kCached, Offset(2), {});
  EXPECT_THAT(broken(), ElementsAre(HasSubstr("of synced-0 went from 3 to 2 for watcher")));
}

TEST_F(InvariantsTest, FindAnEndOfLongAgo) {
  acknowledge({0, 0}, kSynced, 0);
  find({0, 0}, kSynced, 0);
  acknowledge({0, 1}, kCached, 0);
  const Floor synced = history_.floor(kSynced);
  const Floor cached = history_.floor(kCached);
  history_.begin_era();
  history_.was_told("watcher", kSynced, Offset(0), synced);
  history_.was_told("watcher", kCached, Offset(0), cached);
  history_.was_told("other", kCached, Offset(0), history_.floor(kCached));
  EXPECT_THAT(broken(), ElementsAre("watcher was told that synced-0 ends at 0 after everything "
                                    "below 1 had been acknowledged"));
}

TEST_F(InvariantsTest, FindARefusedRecord) {
  history_.sent({0, 0}, kSynced, false);
  history_.failed({0, 0}, Error(Errc::disk_full), true);
  find({0, 0}, kSynced, 0);
  EXPECT_THAT(broken(), ElementsAre(HasSubstr("p0/0 was refused (disk_full")));
}

TEST_F(InvariantsTest, FindBytesThatNobodyWrote) {
  std::string value = value_of({0, 0});
  value.push_back('!');
  history_.saw("reader", kSynced, Offset(0), LeaderEpoch(0), value);
  EXPECT_THAT(broken(), ElementsAre("reader read bytes that nobody wrote at synced-0@0"));
}

}  // namespace
}  // namespace sluice::sim
