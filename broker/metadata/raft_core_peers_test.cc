#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "broker/metadata/raft_core.h"
#include "tests/support/raft_message.h"
#include "tests/support/raft_network.h"

/// What a peer may say: nothing that the engine, which believes its peers, would break on.
namespace sluice::broker {
namespace {

const NodeId kOne{0}, kTwo{1}, kThree{2};
const std::vector<NodeId> kThreeVoters = {kOne, kTwo, kThree};

class RaftCorePeers : public ::testing::Test {
 protected:
  RaftCorePeers() { network.packets().clear(); }
  ForgedMessage from_leader(uint64_t type) { return {type, leader, follower, term}; }
  /// As it was, and able to go on.
  void expect_refused(NodeId to, NodeId from, const ForgedMessage& message) {
    const auto before = network.status(to);
    EXPECT_EQ(network.core(to).step(from, message.sealed()).error(), Errc::invalid_request);
    const auto now = network.core(to).status();
    ASSERT_TRUE(now) << now.error().message();
    EXPECT_EQ(now->term, before.term);
    EXPECT_EQ(now->last, before.last);
    EXPECT_EQ(now->committed, before.committed);
    EXPECT_EQ(now->leads, before.leads);
  }

  RaftNetwork network{21, kThreeVoters};
  const NodeId leader = network.elect();
  const NodeId follower = leader == kOne ? kTwo : kOne;
  const uint64_t term = network.status(leader).term;
  const uint64_t last = network.status(follower).last;
};

TEST_F(RaftCorePeers, AHeartbeatThatCommitsMoreThanThereIsIsDropped) {
  expect_refused(follower, leader, from_leader(ForgedMessage::kHeartbeat).number(8, 1'000'000));
}

TEST_F(RaftCorePeers, ATermNearTheEndOfTheNumbersIsDropped) {
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  expect_refused(follower, leader, {ForgedMessage::kHeartbeat, leader, follower, most});
  expect_refused(follower, leader, {ForgedMessage::kHeartbeat, leader, follower, most - 1});
}

TEST_F(RaftCorePeers, AnAcknowledgementOfMoreThanTheLeaderHasIsDropped) {
  ForgedMessage message(ForgedMessage::kAppendResponse, follower, leader, term);
  expect_refused(leader, follower, message.number(ForgedMessage::kIndex, last + 100));
}

TEST_F(RaftCorePeers, EntriesThatDoNotFollowEachOtherAreDropped) {
  auto message = from_leader(ForgedMessage::kAppend);
  message.number(ForgedMessage::kLogTerm, term).number(ForgedMessage::kIndex, last);
  auto gap = message;
  expect_refused(follower, leader, gap.entry(last + 1, term).entry(last + 3, term));
  auto older = message;
  expect_refused(follower, leader, older.entry(last + 1, term - 1));
  auto newer = message;
  expect_refused(follower, leader, newer.entry(last + 1, term + 1));
}

TEST_F(RaftCorePeers, WhatWouldFollowAnEntryWithoutATermIsDropped) {
  auto message = from_leader(ForgedMessage::kAppend);
  message.number(ForgedMessage::kIndex, last + 50).number(ForgedMessage::kCommit, last + 50);
  expect_refused(follower, leader, message);
}

TEST_F(RaftCorePeers, ASnapshotThatNamesNobodyIsDropped) {
  expect_refused(follower, leader, from_leader(ForgedMessage::kSnapshot));
}

TEST_F(RaftCorePeers, AMessageOfManyEmptyEntriesIsDroppedBeforeItIsDecoded) {
  expect_refused(follower, leader, from_leader(ForgedMessage::kHeartbeat).empty_entries(20'000));
}

TEST_F(RaftCorePeers, ItIsKnownWhichMessagesCarryASnapshot) {
  size_t snapshots = 0;
  network.cut_off(follower);
  ASSERT_TRUE(network.propose(leader, "a"));
  ASSERT_TRUE(network.settle([&] { return network.at(leader).commands.size() == 1; }));
  network.compact(leader);
  network.heal();
  for (int round = 0; round < 50; ++round) {
    for (const auto& packet : network.packets()) {
      snapshots += packet.message.snapshot;
      EXPECT_EQ(RaftCore::carries_snapshot(packet.message.bytes), packet.message.snapshot);
    }
    for (const NodeId id : kThreeVoters) network.tick(id);
    network.write_all();
    if (round % 2 == 1) network.deliver_all();
  }
  EXPECT_GE(snapshots, 1u);
}

/// Whether a follower that was away gets entries, not a snapshot, after a leader's compaction.
bool gets_entries(KeptEntries kept) {
  RaftNetwork network(22, kThreeVoters);
  network.kept = kept;
  const NodeId leader = network.elect();
  const NodeId slow = leader == kOne ? kTwo : kOne;
  network.cut_off(slow);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(network.propose(leader, std::string(100, 'x')));
  EXPECT_TRUE(network.settle([&] { return network.at(leader).commands.size() == 10; }));
  network.compact(leader);
  network.heal();
  EXPECT_TRUE(
      network.settle([&] { return network.at(slow).applied == network.at(leader).applied; }));
  return network.at(slow).durable.start.index == 1;
}

TEST(RaftCoreCompaction, KeepsEntriesForThoseThatLagUpToACountAndToASize) {
  EXPECT_TRUE(gets_entries({.count = 1000, .bytes = 1_MiB}));
  EXPECT_FALSE(gets_entries({.count = 5, .bytes = 1_MiB}));
  EXPECT_FALSE(gets_entries({.count = 1000, .bytes = 500}));
}

}  // namespace
}  // namespace sluice::broker
