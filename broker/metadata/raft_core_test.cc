#include "broker/metadata/raft_core.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/raft_message.h"
#include "tests/support/raft_network.h"

namespace sluice::broker {
namespace {

const NodeId kOne{0}, kTwo{1}, kThree{2};
const std::vector<NodeId> kThreeVoters = {kOne, kTwo, kThree};

/// A group of one that leads and has a few entries, the first of them compacted away.
void grow(RaftNetwork& network) {
  network.elect();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(network.propose(kOne, "entry " + std::to_string(i)));
  ASSERT_TRUE(network.settle([&] { return network.at(kOne).commands.size() == 20; }));
  network.compact(kOne);
}

void join(RaftNetwork& network, NodeId id) {
  ASSERT_TRUE(network.change(*network.leader(), VotingRole::learner, id));
  network.start(id);
}

bool caught_up(RaftNetwork& network, NodeId id) {
  return network.at(id).applied == network.at(*network.leader()).applied &&
         network.at(id).state == network.at(*network.leader()).state;
}

/// Whether it comes to this without the passing of time.
template <class Predicate>
bool passes(RaftNetwork& network, Predicate holds) {
  for (int turn = 0; turn < 20 && !holds(); ++turn) {
    network.write_all();
    network.deliver_all();
  }
  return holds();
}

TEST(RaftCore, TheOnlyVoterLeadsAtOnceAndCommitsWhatIsDurable) {
  RaftNetwork network(1, {kOne});
  ASSERT_TRUE(network.core(kOne).campaign());
  network.work(kOne);
  EXPECT_TRUE(network.status(kOne).leads);
  ASSERT_TRUE(network.propose(kOne, "a"));
  EXPECT_TRUE(network.at(kOne).commands.empty());
  network.write_all();
  EXPECT_EQ(network.at(kOne).commands, std::vector<std::string>{"a"});
}

TEST(RaftCore, AMajorityAgreesAndAllApply) {
  RaftNetwork network(2, kThreeVoters);
  const NodeId leader = network.elect();
  ASSERT_TRUE(network.propose(leader, "a"));
  EXPECT_TRUE(network.settle([&] {
    return std::ranges::all_of(kThreeVoters,
                               [&](NodeId id) { return network.at(id).commands.size() == 1; });
  }));
}

TEST(RaftCore, AFollowerRefusesProposalsInsteadOfLosingThem) {
  RaftNetwork network(3, kThreeVoters);
  const NodeId leader = network.elect();
  const NodeId follower = leader == kOne ? kTwo : kOne;
  EXPECT_EQ(network.propose(follower, "a").error().code(), Errc::not_controller);
  EXPECT_EQ(network.change(follower, VotingRole::learner, NodeId{7}).error().code(),
            Errc::not_controller);
  EXPECT_EQ(network.core(follower).transfer(follower).error().code(), Errc::not_controller);
  EXPECT_EQ(network.propose(leader, "").error().code(), Errc::invalid_argument);
}

TEST(RaftCore, ASecondChangeOfTheConfigurationWaitsForTheFirst) {
  RaftNetwork network(4, kThreeVoters);
  const NodeId leader = network.elect();
  ASSERT_TRUE(network.change(leader, VotingRole::learner, NodeId{7}));
  EXPECT_EQ(network.change(leader, VotingRole::learner, NodeId{8}).error().code(),
            Errc::would_block);
  const uint64_t before = network.status(leader).last;
  ASSERT_TRUE(network.settle([&] { return network.at(leader).applied == before; }));
  EXPECT_TRUE(network.change(leader, VotingRole::learner, NodeId{8}));
}

TEST(RaftCore, TakesNoMoreThanABoundedAmountThatIsNotCommitted) {
  RaftNetwork network(5, kThreeVoters);
  const NodeId leader = network.elect();
  const std::string large(1_MiB, 'x');
  int taken = 0;
  while (taken < 100 && network.propose(leader, large)) ++taken;
  EXPECT_GE(taken, 15);
  EXPECT_LE(taken, 17);
}

TEST(RaftCore, TheLeaderCannotBeRemoved) {
  RaftNetwork network(6, kThreeVoters);
  const NodeId leader = network.elect();
  EXPECT_EQ(network.change(leader, VotingRole::none, leader).error().code(),
            Errc::invalid_argument);
}

TEST(RaftCore, ALeaderThatAppliesItsOwnRemovalStepsDown) {
  RaftNetwork network(7, kThreeVoters);
  const NodeId leader = network.elect();
  const NodeId next = leader == kOne ? kTwo : kOne;
  // The next leader finds its removal in its log, not committed yet.
  const auto place = network.change(leader, VotingRole::none, next);
  ASSERT_TRUE(place);
  network.write_all();
  for (const auto& packet : std::exchange(network.packets(), {})) network.deliver(packet);
  network.write_all();
  network.packets().clear();
  const NodeId third{3 - leader.value() - next.value()};
  network.cut_off(leader);
  // Until the third one forgets the leader that it heard of.
  for (uint32_t i = 0; i < network.settings.election_ticks; ++i) network.tick(third);
  ASSERT_TRUE(network.core(next).campaign());
  network.work(next);
  ASSERT_TRUE(passes(network, [&] { return network.status(next).leads; }));
  ASSERT_TRUE(passes(network, [&] { return network.at(next).applied >= place->index; }));
  EXPECT_FALSE(network.status(next).leads);
  network.heal();
  EXPECT_TRUE(network.settle([&] { return network.leader() && *network.leader() != next; }));
  EXPECT_FALSE(network.at(next).broken);
}

TEST(RaftCore, WhoJoinsGetsASnapshotAndNotAnEntryThatLacksTheVoters) {
  RaftNetwork network(8, {kOne});
  network.elect();
  join(network, kTwo);
  ASSERT_TRUE(network.settle([&] { return caught_up(network, kTwo); }));
  EXPECT_GT(network.at(kTwo).durable.start.index, 1u);
  EXPECT_EQ(network.status(kTwo).configuration, (GroupConfiguration{{kOne}, {kTwo}}));
}

TEST(RaftCore, ASnapshotIsMadeAnewForAPeerThatTheOldOneDoesNotName) {
  RaftNetwork network(9, {kOne});
  grow(network);
  join(network, kTwo);
  ASSERT_TRUE(network.settle([&] { return caught_up(network, kTwo); }));
  // The snapshot that kTwo got is still at hand.
  join(network, kThree);
  EXPECT_TRUE(network.settle([&] { return caught_up(network, kThree); }));
}

TEST(RaftCore, ASnapshotIsAcknowledgedAndAppliedOnlyOnceItIsDurable) {
  RaftNetwork network(10, {kOne});
  grow(network);
  join(network, kTwo);
  for (int i = 0; i < 100 && network.at(kTwo).unwritten.empty(); ++i) {
    network.tick(kOne);
    network.write(kOne);
    network.deliver_all();
  }
  while (!network.at(kTwo).unwritten.empty() && !network.at(kTwo).unwritten.front().snapshot) {
    network.write(kTwo);
    for (int i = 0; i < 5; ++i) network.tick(kOne), network.write(kOne), network.deliver_all();
  }
  ASSERT_FALSE(network.at(kTwo).unwritten.empty());
  EXPECT_TRUE(network.at(kTwo).unwritten.front().messages.empty());
  EXPECT_FALSE(network.at(kTwo).unwritten.front().messages_after.empty());
  EXPECT_EQ(network.status(kTwo).applied, 0u);
  EXPECT_EQ(network.status(kOne).matched.at(kTwo), 0u);
}

TEST(RaftCore, AVoterThatInstallsASnapshotDoesNotCampaignBeforeItIsApplied) {
  RaftNetwork network(16, kThreeVoters);
  const NodeId leader = network.elect();
  const NodeId slow = leader == kOne ? kTwo : kOne;
  network.cut_off(slow);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(network.propose(leader, std::to_string(i)));
  ASSERT_TRUE(network.settle([&] { return network.at(leader).commands.size() == 5; }));
  network.compact(leader);
  network.heal();
  // All but the slow one's writes go on.
  const auto installs = [&] {
    return std::ranges::any_of(network.at(slow).unwritten,
                               [](const RaftReady& ready) { return ready.snapshot.has_value(); });
  };
  for (int round = 0; round < 100 && !installs(); ++round) {
    network.tick(leader);
    for (const NodeId id : kThreeVoters) network.write(id);
    network.deliver_all();
  }
  ASSERT_TRUE(installs());
  for (int i = 0; i < 50; ++i) network.tick(slow);
  const uint64_t term = network.status(slow).term;
  const ForgedMessage now(ForgedMessage::kTimeoutNow, leader, slow, term);
  EXPECT_TRUE(network.core(slow).step(leader, now.sealed()));
  EXPECT_FALSE(network.at(slow).broken);
  EXPECT_TRUE(network.settle([&] { return caught_up(network, slow); }));
}

/// Delivers all but snapshots.
void lose_snapshots(RaftNetwork& network, size_t& lost) {
  for (auto now = std::exchange(network.packets(), {}); const auto& packet : now) {
    lost += packet.message.snapshot;
    if (!packet.message.snapshot) network.deliver(packet);
  }
}

TEST(RaftCore, ASnapshotOfWhichNothingIsHeardCountsAsLostAndIsSentAgain) {
  RaftNetwork network(11, {kOne});
  network.settings.snapshot_ticks = 20;
  network.start(kOne);
  grow(network);
  join(network, kTwo);
  size_t lost = 0;
  for (int round = 0; round < 100; ++round) {
    for (const NodeId id : {kOne, kTwo}) network.tick(id);
    network.write_all();
    lose_snapshots(network, lost);
  }
  EXPECT_GE(lost, 2u);
  EXPECT_TRUE(network.settle([&] { return caught_up(network, kTwo); }));
}

TEST(RaftCore, ADamagedMessageCountsAsLost) {
  RaftNetwork network(12, kThreeVoters);
  const NodeId leader = network.elect();
  network.packets().clear();
  ASSERT_TRUE(network.propose(leader, "a"));
  ASSERT_FALSE(network.packets().empty());
  const auto packet = network.packets().front();
  const uint64_t last = network.status(packet.message.to).last;
  for (size_t i = 0; i < packet.message.bytes.size(); ++i) {
    auto damaged = packet;
    damaged.message.bytes[i] ^= std::byte{1};
    network.deliver(damaged);
  }
  EXPECT_EQ(network.status(packet.message.to).last, last);
  network.deliver(packet);
  EXPECT_EQ(network.status(packet.message.to).last, last + 1);
}

TEST(RaftCore, AWipedDiskUnderAnOldIdCannotFollowAndSaysSo) {
  RaftNetwork network(13, kThreeVoters);
  const NodeId leader = network.elect();
  const NodeId victim = leader == kOne ? kTwo : kOne;
  ASSERT_TRUE(network.propose(leader, "a"));
  ASSERT_TRUE(network.settle([&] { return network.at(victim).commands.size() == 1; }));
  network.at(victim).durable = {{1, 0, 1}, {1, 1, {kThreeVoters, {}}}, {}};
  network.start(victim);
  EXPECT_FALSE(network.settle([&] { return network.at(victim).commands.size() == 1; }, 100));
  EXPECT_FALSE(network.at(victim).broken);
  EXPECT_GT(network.at(victim).nonsense, 0u);
}

TEST(RaftCore, AnEngineThatBrokeIsNotUsedAgain) {
  RaftNetwork network(17, {kOne});
  const auto broken = network.core(kOne).applied(1000);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code(), Errc::internal);
  EXPECT_NE(broken.error().message().find("the consensus engine broke"), std::string::npos);
  EXPECT_EQ(network.core(kOne).tick().error().code(), Errc::internal);
  EXPECT_EQ(network.core(kOne).status().error().code(), Errc::internal);
}

TEST(RaftCore, TheOnlyVoterTellsLearnersNothingBeforeItsTermIsDurable) {
  RaftNetwork network(14, {kOne});
  grow(network);
  join(network, kTwo);
  ASSERT_TRUE(network.settle([&] { return caught_up(network, kTwo); }));
  network.crash(kOne);
  network.packets().clear();
  ASSERT_TRUE(network.core(kOne).campaign());
  network.work(kOne);
  ASSERT_TRUE(network.status(kOne).leads);
  EXPECT_TRUE(network.packets().empty());
  network.write_all();
  EXPECT_FALSE(network.packets().empty());
}

TEST(RaftCore, HandsLeadershipOverWhenAsked) {
  RaftNetwork network(15, kThreeVoters);
  const NodeId leader = network.elect();
  const NodeId next = leader == kOne ? kTwo : kOne;
  EXPECT_EQ(network.core(leader).transfer(NodeId{9}).error().code(), Errc::invalid_argument);
  ASSERT_TRUE(network.core(leader).transfer(next));
  EXPECT_EQ(network.propose(leader, "a").error().code(), Errc::would_block);
  EXPECT_TRUE(network.settle([&] { return network.leader() == next; }, 5));
}

TEST(RaftCore, OneThatCannotWriteDoesNotAskForVotesAlsoWhenItIsTold) {
  RaftNetwork network(18, kThreeVoters);
  const NodeId leader = network.elect();
  const NodeId held = leader == kOne ? kTwo : kOne;
  ASSERT_TRUE(network.core(held).hold(true));
  ASSERT_TRUE(network.core(leader).transfer(held));
  network.work(leader);
  EXPECT_FALSE(passes(network, [&] { return network.status(held).leads; }));
  network.cut_off(leader);
  const uint64_t term = network.status(held).term;
  for (int i = 0; i < 100; ++i) network.tick(held);
  EXPECT_EQ(network.status(held).term, term);
  EXPECT_TRUE(network.packets().empty());
  // The third one does, and gets its vote.
  EXPECT_TRUE(network.settle([&] { return network.leader().has_value(); }));
  EXPECT_NE(network.leader(), held);
}

TEST(RaftCore, ClampsACommitIndexThatACrashLeftAheadOfTheLogOrBehindTheSnapshot) {
  RaftState state{{3, 0, 90}, {5, 3, {{kOne}, {}}}, {{6, 3, std::vector<std::byte>(1), false}}};
  EXPECT_EQ(RaftCore::make({.self = kOne}, state)->status()->committed, 6u);
  state.hard_state = {2, 1, 1};
  const auto older = RaftCore::make({.self = kOne}, state)->status();
  EXPECT_EQ(older->committed, 5u);
  EXPECT_EQ(older->term, 3u);
}

}  // namespace
}  // namespace sluice::broker
