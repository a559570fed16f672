#include "broker/metadata/raft_transport.h"

#include <gmock/gmock.h>

#include "tests/support/peer_world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RaftTransportTest : public PeerWorld {
 protected:
  RaftTransportTest() {
    us->join("C");
    them->join("C");
    us->membership.note(member(2));
    us->membership.note(member(3));
  }
  ~RaftTransportTest() override {
    sim.run_on(us->control(), transport.stop());
    sim.run_on(us->control(), peers.stop());
  }

  void send(std::vector<std::string> messages, int to = 2) {
    sim.run_on(us->control(), [](auto& t, NodeId node, auto texts) -> io::Task<void> {
      for (const std::string& text : texts) {
        const ByteView bytes = as_bytes(text);
        t.send(node, {bytes.begin(), bytes.end()});
      }
      co_return;
    }(transport, NodeId{to}, std::move(messages)));
  }
  std::vector<std::string> received() const {
    std::vector<std::string> texts;
    for (const auto& [from, text] : them->consensus.received) {
      EXPECT_EQ(from, NodeId{1});
      texts.push_back(text);
    }
    return texts;
  }

  std::unique_ptr<PeerMachine> us = machine(1);
  std::unique_ptr<PeerMachine> them = machine(2);
  MemoryBudget memory{"answers", 1_MiB};
  Peers peers{{us->node.runtime(), us->membership, memory, Logger(log)}};
  std::vector<NodeId> unreachable;
  std::vector<std::pair<NodeId, bool>> snapshots;
  PeerRaftTransport transport{
      {peers, us->membership, [this](NodeId node) { unreachable.push_back(node); },
       [this](NodeId node, bool ok) { snapshots.emplace_back(node, ok); },
       us->metrics.counter("sent", ""), us->metrics.counter("dropped", "")},
      {.max_queued_bytes = 100}};
};

TEST_F(RaftTransportTest, MessagesArriveOnceAndInOrder) {
  std::vector<std::string> sent;
  for (int i = 0; i < 40; ++i) sent.push_back(std::to_string(i));
  send(sent);
  EXPECT_TRUE(sim.run_until([&] { return received().size() == sent.size(); }, 5s));
  EXPECT_EQ(received(), sent);
  EXPECT_THAT(unreachable, IsEmpty());
}

TEST_F(RaftTransportTest, TheNewestAreKeptWhenTheQueueIsFull) {
  // The first one waits for the connection outside of the queue.
  send({"first", std::string(60, 'a'), std::string(60, 'b'), std::string(30, 'c')});
  EXPECT_TRUE(sim.run_until([&] { return received().size() == 3; }, 5s));
  EXPECT_THAT(received(), ElementsAre("first", std::string(60, 'b'), std::string(30, 'c')));
  EXPECT_THAT(unreachable, ElementsAre(NodeId{2}));
}

TEST_F(RaftTransportTest, OneThatIsLargerThanTheQueueGoesAlone) {
  send({std::string(5000, 'x')});
  EXPECT_TRUE(sim.run_until([&] { return received().size() == 1; }, 5s));
}

TEST_F(RaftTransportTest, ADeadPeerIsReportedAndHoldsNobodyUp) {
  send({"lost"}, 3);
  send({"found"}, 2);
  EXPECT_TRUE(sim.run_until([&] { return !received().empty() && !unreachable.empty(); }, 5s));
  EXPECT_THAT(unreachable, ElementsAre(NodeId{3}));
}

TEST_F(RaftTransportTest, WhatIsForNobodyThatIsKnownLeavesNothingBehind) {
  for (int id = 100; id < 120; ++id) send({"to whom?"}, id);
  EXPECT_EQ(unreachable.size(), 20U);
  EXPECT_EQ(transport.lanes(), 0U);
}

TEST_F(RaftTransportTest, WhatBecameOfASnapshotIsReported) {
  // Behind the checksum that the consensus seals its messages with.
  const std::string snapshot = "seal\x08\x07 and so on";
  send({snapshot}, 2);
  EXPECT_TRUE(sim.run_until([&] { return !snapshots.empty(); }, 5s));
  send({snapshot}, 3);
  EXPECT_TRUE(sim.run_until([&] { return snapshots.size() == 2; }, 5s));
  EXPECT_THAT(snapshots, ElementsAre(std::pair(NodeId{2}, true), std::pair(NodeId{3}, false)));
}

}  // namespace
}  // namespace sluice::broker
