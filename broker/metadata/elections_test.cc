#include "broker/metadata/elections.h"

#include <string>

#include <gtest/gtest.h>

#include "broker/metadata/in_sync_check.h"
#include "tests/support/cluster_images.h"

namespace sluice::broker {
namespace {

using testing::nodes;
using testing::partition_of;

/// One partition on the brokers 1, 2 and 3, before and after some of them changed.
struct Case {
  std::string what;
  std::vector<NodeId> in_sync;
  int32_t leader;
  std::vector<NodeId> eligible;
  std::vector<NodeId> serving;
  std::vector<NodeId> stopping;
  ElectionRules rules;
  // After.
  std::vector<NodeId> in_sync_then;
  int32_t leader_then;
  std::vector<NodeId> eligible_then;
};

BrokerStates states_of(const std::vector<NodeId>& serving, const std::vector<NodeId>& stopping) {
  MetadataImage image;
  for (int32_t id = 1; id <= 4; ++id) {
    image.brokers.push_back({.id = NodeId{id}, .fenced = !has(serving, NodeId{id})});
  }
  BrokerStates states(image);
  for (const NodeId id : stopping) states.set_stopping(id);
  return states;
}

const std::vector<Case>& cases() {
  const auto all = nodes({1, 2, 3});
  const ElectionRules one{1, false};
  const ElectionRules two{2, false};
  const ElectionRules unclean{1, true};
  static const std::vector<Case> table = {
      {"nothing happened", all, 1, {}, all, {}, two, all, 1, {}},
      {"a follower is fenced", all, 1, {}, nodes({1, 2}), {}, two, nodes({1, 2}), 1, {}},
      {"the leader is fenced", all, 1, {}, nodes({2, 3}), {}, two, nodes({2, 3}), 2, {}},
      {"the next in order is fenced too", all, 1, {}, nodes({3}), {}, one, nodes({3}), 3, {}},
      {"below the bound who leaves stays eligible",
       all,
       1,
       {},
       nodes({3}),
       {},
       two,
       nodes({3}),
       3,
       nodes({1, 2})},
      {"above the bound nobody is eligible",
       all,
       2,
       nodes({}),
       nodes({2, 3}),
       {},
       one,
       nodes({2, 3}),
       2,
       {}},
      {"the last one stays in the set",
       nodes({1}),
       1,
       {},
       nodes({2, 3}),
       {},
       one,
       nodes({1}),
       -1,
       {}},
      {"all at once stay in the set", all, 1, {}, {}, {}, two, all, -1, {}},
      {"who was fenced with all others leads when it is back",
       all,
       -1,
       {},
       nodes({3}),
       {},
       two,
       nodes({3}),
       3,
       nodes({1, 2})},
      {"who is eligible leads before nobody",
       nodes({1}),
       1,
       nodes({3}),
       nodes({2, 3}),
       {},
       two,
       nodes({3}),
       3,
       nodes({1})},
      {"who is in sync leads before who is eligible",
       nodes({1, 3}),
       1,
       nodes({2}),
       nodes({2, 3}),
       {},
       {3, false},
       nodes({3}),
       3,
       nodes({1, 2})},
      {"out of sync leads only where records may be lost",
       nodes({1}),
       1,
       {},
       nodes({2, 3}),
       {},
       unclean,
       nodes({2}),
       2,
       {}},
      {"a leader that stops hands over", all, 1, {}, all, nodes({1}), two, all, 2, {}},
      {"and not to one that stops too", all, 1, {}, all, nodes({1, 2}), two, all, 3, {}},
      {"it leads on when nobody can", nodes({1}), 1, nodes({2}), all, nodes({1}), two, nodes({1}),
       1, nodes({2})},
      {"a stop is no reason to lose records",
       nodes({1}),
       1,
       {},
       all,
       nodes({1}),
       unclean,
       nodes({1}),
       1,
       {}},
      {"back after it was the last one", nodes({1}), -1, {}, all, {}, one, nodes({1}), 1, {}},
      {"back and another is still away",
       nodes({1}),
       -1,
       {},
       nodes({2}),
       {},
       one,
       nodes({1}),
       -1,
       {}},
  };
  return table;
}

TEST(Elections, LeadTo) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.what);
    PartitionImage before = partition_of(nodes({1, 2, 3}));
    before.in_sync = c.in_sync;
    before.leader = NodeId{c.leader};
    before.eligible = c.eligible;
    const PartitionImage after = settled(before, c.rules, states_of(c.serving, c.stopping));
    EXPECT_EQ(after.in_sync, c.in_sync_then);
    EXPECT_EQ(after.leader, NodeId{c.leader_then});
    EXPECT_EQ(after.eligible, c.eligible_then);
    const bool changed = after.in_sync != before.in_sync || after.leader != before.leader;
    EXPECT_EQ(after.partition_epoch, changed ? 1u : 0u);
    EXPECT_EQ(after.leader_epoch, LeaderEpoch{after.leader != before.leader ? 1 : 0});
    // Decided once, it is decided.
    EXPECT_EQ(settled(after, c.rules, states_of(c.serving, c.stopping)), after);
  }
}

TEST(Elections, AMoveEndsWhenAllThatComeAreInSync) {
  PartitionImage before = partition_of(nodes({1, 2}));
  before.replicas = nodes({3, 2, 1});
  before.adding = nodes({3});
  before.removing = nodes({1});
  const BrokerStates states = states_of(nodes({1, 2, 3}), {});
  EXPECT_EQ(settled(before, {}, states), before);
  before.in_sync = nodes({1, 2, 3});
  const PartitionImage after = settled(before, {}, states);
  EXPECT_EQ(after.replicas, nodes({3, 2}));
  EXPECT_EQ(after.in_sync, nodes({2, 3}));
  EXPECT_EQ(after.leader, NodeId{3});
  EXPECT_TRUE(after.adding.empty() && after.removing.empty());
  EXPECT_EQ(after.partition_epoch, 1u);
}

class InSyncCheck : public ::testing::Test {
 protected:
  InSyncCheck() { before.in_sync = nodes({1, 2}); }
  Result<PartitionImage> ask(std::vector<NodeId> in_sync, int32_t leader_epoch = 0,
                             uint32_t partition_epoch = 0, int32_t from = 1) {
    return with_in_sync(before,
                        {.topic_id = {},
                         .partition = PartitionId{0},
                         .leader_epoch = LeaderEpoch{leader_epoch},
                         .partition_epoch = partition_epoch,
                         .in_sync = std::move(in_sync)},
                        NodeId{from}, rules, states);
  }
  PartitionImage before = partition_of(nodes({1, 2, 3}));
  ElectionRules rules{2, false};
  BrokerStates states = states_of(nodes({1, 2, 3}), {});
};

TEST_F(InSyncCheck, TheLeaderShrinksAndGrowsTheSet) {
  const auto grown = ask(nodes({3, 1, 2}));
  ASSERT_TRUE(grown);
  EXPECT_EQ(grown->in_sync, nodes({1, 2, 3}));
  EXPECT_EQ(grown->partition_epoch, 1u);
  EXPECT_EQ(grown->leader_epoch, LeaderEpoch{0});
  const auto shrunk = ask(nodes({1}));
  ASSERT_TRUE(shrunk);
  EXPECT_EQ(shrunk->in_sync, nodes({1}));
  EXPECT_EQ(shrunk->eligible, nodes({2}));
}

TEST_F(InSyncCheck, WhoAsksOfAnotherStateIsRefused) {
  before.leader_epoch = LeaderEpoch{4};
  before.partition_epoch = 7;
  EXPECT_EQ(ask(nodes({2}), 4, 7, 2).error().code(), Errc::not_leader);
  EXPECT_EQ(ask(nodes({1}), 3, 7).error().code(), Errc::fenced_leader_epoch);
  EXPECT_EQ(ask(nodes({1}), 5, 7).error().code(), Errc::unknown_leader_epoch);
  EXPECT_EQ(ask(nodes({1}), 4, 6).error().code(), Errc::fenced_leader_epoch);
  EXPECT_TRUE(ask(nodes({1}), 4, 7));
}

TEST_F(InSyncCheck, ARepeatOfWhatIsSoAlreadyIsAnswered) {
  before.partition_epoch = 7;
  const auto same = ask(nodes({2, 1}), 0, 6);
  ASSERT_TRUE(same);
  EXPECT_EQ(*same, before);
}

TEST_F(InSyncCheck, FencedBrokersAndStrangersDoNotComeIn) {
  states = states_of(nodes({1, 2}), {});
  EXPECT_EQ(ask(nodes({1, 2, 3})).error().code(), Errc::not_enough_replicas);
  states = states_of(nodes({1, 2, 3}), nodes({3}));
  EXPECT_EQ(ask(nodes({1, 2, 3})).error().code(), Errc::not_enough_replicas);
  EXPECT_EQ(ask(nodes({1, 4})).error().code(), Errc::invalid_request);
  EXPECT_EQ(ask(nodes({2})).error().code(), Errc::invalid_request);
  EXPECT_EQ(ask(nodes({1, 1})).error().code(), Errc::invalid_request);
}

TEST_F(InSyncCheck, TheLastThatComesEndsTheMoveInOneStep) {
  before.adding = nodes({3});
  before.removing = nodes({1});
  const auto done = ask(nodes({1, 2, 3}));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->replicas, nodes({2, 3}));
  EXPECT_EQ(done->leader, NodeId{2});
  EXPECT_EQ(done->leader_epoch, LeaderEpoch{1});
  EXPECT_EQ(done->partition_epoch, 1u);
}

}  // namespace
}  // namespace sluice::broker
