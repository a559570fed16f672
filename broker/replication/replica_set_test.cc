#include "broker/replication/replica_set.h"

#include <optional>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

constexpr NodeId kSelf{1};
constexpr NodeId kSecond{2};
constexpr NodeId kThird{3};
constexpr NodeId kFourth{4};

TimePoint at(Duration since_start) { return TimePoint{since_start}; }
ReplicaEnds ends(int64_t log_end, int64_t synced_end = 0) {
  return {.log_end = Offset{log_end}, .synced_end = Offset{synced_end}};
}
bool anybody(NodeId, uint64_t) { return true; }

class ReplicaSetTest : public ::testing::Test {
 protected:
  static PartitionImage image(std::vector<NodeId> in_sync, uint32_t epoch = 1) {
    return {.replicas = {kSelf, kSecond, kThird},
            .in_sync = std::move(in_sync),
            .leader = kSelf,
            .partition_epoch = epoch};
  }
  static ReplicaSet make(std::vector<NodeId> in_sync, ReplicaRules rules = {},
                         Offset epoch_start = Offset{0}) {
    return {{.self = kSelf, .epoch_start = epoch_start, .now = at(0s)},
            image(std::move(in_sync)),
            rules};
  }
  static void fetched(ReplicaSet& set, NodeId node, ReplicaEnds has, int64_t leader_end,
                      Duration when = 0s) {
    set.fetched(node, 1, has, Offset{leader_end}, at(when));
  }
  static std::optional<std::vector<NodeId>> propose(ReplicaSet& set, int64_t leader_end,
                                                    int64_t high_watermark, Duration when) {
    return set.propose(Offset{leader_end}, Offset{high_watermark}, at(when), anybody);
  }
};

TEST_F(ReplicaSetTest, CommitsWhatAllInSyncHave) {
  auto set = make({kSelf, kSecond, kThird});
  EXPECT_EQ(set.committable(ends(10)), Offset{-1});
  fetched(set, kSecond, ends(9), 10);
  fetched(set, kThird, ends(7), 10);
  EXPECT_EQ(set.committable(ends(10)), Offset{7});
}

TEST_F(ReplicaSetTest, WhoIsOutOfSyncIsNotWaitedFor) {
  auto set = make({kSelf, kSecond});
  fetched(set, kSecond, ends(9), 10);
  fetched(set, kThird, ends(2), 10);
  EXPECT_EQ(set.committable(ends(10)), Offset{9});
}

TEST_F(ReplicaSetTest, CommitsNothingWithTooFewInSync) {
  auto set = make({kSelf}, {.min_in_sync = 2});
  EXPECT_TRUE(set.has_too_few());
  EXPECT_EQ(set.committable(ends(10)), Offset{-1});
  set.apply(image({kSelf, kSecond}, 2), at(0s));
  fetched(set, kSecond, ends(10), 10);
  EXPECT_EQ(set.committable(ends(10)), Offset{10});
}

TEST_F(ReplicaSetTest, MoreAtLeastThanReplicasMeansAllOfThem) {
  auto set = make({kSelf, kSecond, kThird}, {.min_in_sync = 5});
  EXPECT_FALSE(set.has_too_few());
}

TEST_F(ReplicaSetTest, CountsSyncedEndsWhereTheTopicFlushes) {
  auto set = make({kSelf, kSecond}, {.counts_synced = true});
  fetched(set, kSecond, ends(10, 4), 10);
  EXPECT_EQ(set.committable(ends(10, 8)), Offset{4});
  EXPECT_EQ(set.count_having(Offset{6}, ends(10, 8), false), 2u);
  EXPECT_EQ(set.count_having(Offset{6}, ends(10, 8), true), 1u);
}

TEST_F(ReplicaSetTest, DropsWhoHasNotBeenCaughtUpForTheLag) {
  auto set = make({kSelf, kSecond, kThird});
  fetched(set, kSecond, ends(10), 10, 9s);
  fetched(set, kThird, ends(3), 10, 9s);
  EXPECT_FALSE(propose(set, 11, 3, 10s));
  EXPECT_EQ(propose(set, 11, 3, 10001ms), (std::vector<NodeId>{kSelf, kSecond}));
}

TEST_F(ReplicaSetTest, HavingWhatThereWasAtTheFetchBeforeIsCaughtUpAtThatTime) {
  auto set = make({kSelf, kSecond});
  fetched(set, kSecond, ends(5), 10, 8s);
  fetched(set, kSecond, ends(10), 20, 12s);
  EXPECT_FALSE(propose(set, 20, 0, 18s));
  EXPECT_TRUE(propose(set, 20, 0, 18001ms));
}

TEST_F(ReplicaSetTest, WhoHasAllOfAPartitionAtRestStaysCaughtUp) {
  auto set = make({kSelf, kSecond});
  fetched(set, kSecond, ends(10), 10);
  EXPECT_FALSE(propose(set, 10, 10, 100s));
  EXPECT_FALSE(propose(set, 11, 10, 109s));
  EXPECT_TRUE(propose(set, 11, 10, 111s));
}

TEST_F(ReplicaSetTest, TakesInWhoReachedTheHighWatermarkAndTheEpochStart) {
  auto set = make({kSelf, kSecond}, {}, Offset{8});
  fetched(set, kSecond, ends(10), 10);
  fetched(set, kThird, ends(7), 10);
  EXPECT_FALSE(set.could_join(kThird, Offset{5}));
  fetched(set, kThird, ends(8), 10);
  EXPECT_FALSE(set.could_join(kThird, Offset{9}));
  EXPECT_TRUE(set.could_join(kThird, Offset{8}));
  EXPECT_EQ(propose(set, 10, 8, 1s), (std::vector<NodeId>{kSelf, kSecond, kThird}));
}

TEST_F(ReplicaSetTest, DropsAtOnceWhoCannotAppendWhatItLacksUntilItGetsOn) {
  auto set = make({kSelf, kSecond, kThird});
  fetched(set, kSecond, ends(10), 10);
  fetched(set, kThird, ends(10), 10);
  set.cannot_append(kThird, 1);
  EXPECT_FALSE(propose(set, 10, 10, 1s)) << "it lacks nothing";
  fetched(set, kSecond, ends(11), 11, 1s);
  EXPECT_EQ(propose(set, 11, 10, 1s), (std::vector{kSelf, kSecond}));
  set.answered(1, 2U);
  fetched(set, kThird, ends(10), 11, 2s);
  EXPECT_FALSE(set.could_join(kThird, Offset{10}));
  fetched(set, kThird, ends(11), 11, 3s);
  EXPECT_TRUE(set.could_join(kThird, Offset{11}));
}

TEST_F(ReplicaSetTest, TakesInNobodyWhoIsFencedOrWasStartedAgain) {
  auto set = make({kSelf, kSecond});
  fetched(set, kSecond, ends(10), 10);
  fetched(set, kThird, ends(10), 10);
  const auto other_epoch = [](NodeId, uint64_t epoch) { return epoch == 2; };
  EXPECT_FALSE(set.propose(Offset{10}, Offset{10}, at(1s), other_epoch));
}

TEST_F(ReplicaSetTest, BothSetsAreWaitedForWhileAChangeIsInFlight) {
  auto set = make({kSelf, kSecond});
  fetched(set, kSecond, ends(6), 10);
  fetched(set, kThird, ends(5), 10);
  ASSERT_EQ(propose(set, 10, 5, 11s), (std::vector<NodeId>{kSelf, kThird}));
  EXPECT_FALSE(propose(set, 10, 5, 12s));
  EXPECT_EQ(set.committable(ends(10)), Offset{5});
  set.answered(1, 2u);
  EXPECT_EQ(set.in_sync(), (std::vector<NodeId>{kSelf, kThird}));
  EXPECT_EQ(set.partition_epoch(), 2u);
}

TEST_F(ReplicaSetTest, AsksForTheSameAgainWhenTheOutcomeIsNotKnown) {
  auto set = make({kSelf, kSecond});
  fetched(set, kSecond, ends(10), 10);
  fetched(set, kThird, ends(10), 10);
  const auto asked = propose(set, 10, 10, 1s);
  ASSERT_TRUE(asked);
  set.answered(1, fail(Errc::timed_out));
  EXPECT_TRUE(set.wants_retry());
  // Though the third has fallen behind meanwhile: the controller may have taken it in.
  fetched(set, kThird, ends(2), 20);
  EXPECT_EQ(set.committable(ends(20)), Offset{2});
  EXPECT_EQ(propose(set, 20, 10, 30s), asked);
}

TEST_F(ReplicaSetTest, AfterARefusalTheNextImageDecides) {
  auto set = make({kSelf, kSecond});
  fetched(set, kSecond, ends(10), 10);
  fetched(set, kThird, ends(10), 10);
  ASSERT_TRUE(propose(set, 10, 10, 1s));
  set.answered(1, fail(Errc::fenced_leader_epoch));
  EXPECT_FALSE(propose(set, 10, 10, 2s));
  set.apply(image({kSelf, kSecond}, 4), at(2s));
  EXPECT_EQ(propose(set, 10, 10, 3s), (std::vector<NodeId>{kSelf, kSecond, kThird}));
}

TEST_F(ReplicaSetTest, AnOldImageChangesNothing) {
  auto set = make({kSelf, kSecond});
  set.apply(image({kSelf}, 0), at(0s));
  EXPECT_EQ(set.in_sync().size(), 2u);
}

TEST_F(ReplicaSetTest, TheImageOfAnAnswersEpochSaysWhatTheControllerTook) {
  auto set = make({kSelf, kSecond});
  fetched(set, kSecond, ends(10), 10);
  fetched(set, kThird, ends(10), 10);
  ASSERT_EQ(propose(set, 10, 10, 1s), (std::vector<NodeId>{kSelf, kSecond, kThird}));
  set.answered(1, 2u);
  // The second was fenced meanwhile, and a fourth is being added.
  PartitionImage taken = image({kSelf, kThird}, 2);
  taken.replicas.push_back(kFourth);
  set.apply(taken, at(1s));
  EXPECT_EQ(set.in_sync(), (std::vector<NodeId>{kSelf, kThird}));
  EXPECT_TRUE(set.has(kFourth));
  EXPECT_EQ(propose(set, 10, 10, 2s), (std::vector<NodeId>{kSelf, kSecond, kThird}));
}

TEST_F(ReplicaSetTest, AnImageOfTheSameEpochDoesNotEndWhatIsInFlight) {
  auto set = make({kSelf, kSecond});
  fetched(set, kSecond, ends(10), 10);
  fetched(set, kThird, ends(10), 10);
  ASSERT_TRUE(propose(set, 10, 10, 1s));
  fetched(set, kThird, ends(4), 10);
  set.apply(image({kSelf, kSecond}, 1), at(1s));
  EXPECT_EQ(set.committable(ends(10)), Offset{4});
  EXPECT_FALSE(propose(set, 10, 10, 1s));
}

TEST_F(ReplicaSetTest, TheLogStartOfWhoIsInSyncIsWaitedFor) {
  auto set = make({kSelf, kSecond});
  fetched(set, kSecond, ends(10), 10);
  EXPECT_FALSE(set.all_start_at(Offset{3}));
  fetched(set, kSecond, {.log_end = Offset{10}, .log_start = Offset{3}}, 10);
  EXPECT_TRUE(set.all_start_at(Offset{3}));
  EXPECT_FALSE(set.all_start_at(Offset{4}));
}

TEST_F(ReplicaSetTest, AFetchFromBeforeARestartSaysNothingAfterIt) {
  auto set = make({kSelf, kSecond});
  set.fetched(kSecond, 5, ends(4), Offset{10}, at(0s));
  set.fetched(kSecond, 4, ends(10), Offset{10}, at(0s));
  EXPECT_EQ(set.committable(ends(10)), Offset{4});
}

TEST_F(ReplicaSetTest, AdmitsReplicasOnlyAndNoOldConnectionOfThem) {
  auto set = make({kSelf, kSecond});
  EXPECT_EQ(set.admit(NodeId{9}, 1).error().code(), Errc::unknown_topic_or_partition);
  set.fetched(kSecond, 5, ends(10), Offset{10}, at(0s));
  EXPECT_TRUE(set.admit(kSecond, 5));
  EXPECT_EQ(set.admit(kSecond, 4).error().code(), Errc::fenced_leader_epoch);
}

TEST_F(ReplicaSetTest, TellsHowFarEachFollowerIsAndSinceWhenItLacksSomething) {
  auto set = make({kSelf, kSecond, kThird});
  fetched(set, kSecond, ends(10), 10, 5s);
  fetched(set, kThird, ends(7), 10, 6s);
  const auto progress = set.progress(Offset{10}, at(9s));
  ASSERT_EQ(progress.size(), 2u);
  EXPECT_EQ(progress[0].node, kSecond);
  EXPECT_EQ(progress[0].log_end, Offset{10});
  EXPECT_EQ(progress[0].behind, 0s);
  EXPECT_EQ(progress[1].log_end, Offset{7});
  EXPECT_EQ(progress[0].lacks, 0);
  EXPECT_EQ(progress[1].lacks, 3);
  EXPECT_EQ(progress[1].behind, 9s);
  EXPECT_EQ(set.progress(Offset{12}, at(9s))[0].behind, 4s);
}

TEST_F(ReplicaSetTest, SaysThatAFollowerWasNotHeardOf) {
  const auto progress = make({kSelf}).progress(Offset{10}, at(3s));
  ASSERT_EQ(progress.size(), 2u);
  EXPECT_EQ(progress[0].log_end, Offset{-1});
  EXPECT_FALSE(progress[0].lacks);
  EXPECT_EQ(progress[0].behind, 3s);
}

}  // namespace
}  // namespace sluice::broker
