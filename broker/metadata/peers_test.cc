#include "broker/metadata/peers.h"

#include <gmock/gmock.h>

#include "tests/support/peer_world.h"

namespace sluice::broker {
namespace {

using testing::HasSubstr;

native::RequestHeader heartbeat_of(uint64_t index) {
  native::RequestHeader request;
  request.mutable_heartbeat()->set_node_id(1);
  request.mutable_heartbeat()->set_applied_index(index);
  return request;
}

/// Broker 1 talks to broker 2.
class PeersTest : public PeerWorld {
 public:
  PeersTest() {
    us.join("C");
    them->join("C");
    us.membership.note(member(2));
  }
  ~PeersTest() override { sim.run_on(us.control(), peers.stop()); }

  Result<PeerAnswer> call(native::RequestHeader request, Duration timeout = 2s,
                          Purpose purpose = Purpose::heartbeat) {
    return sim.run_on(us.control(), call_on(std::move(request), timeout, purpose));
  }
  io::Task<Result<PeerAnswer>> call_on(native::RequestHeader request, Duration timeout,
                                       Purpose purpose) {
    co_return co_await peers.call(NodeId{2}, purpose, std::move(request), {},
                                  io::Loop::current()->now() + timeout);
  }
  /// That broker 2 was told.
  int hellos() {
    const std::string text = them->metrics.prometheus();
    const std::string series = "requests_total{protocol=\"native\",api=\"hello\"} ";
    const size_t at = text.find(series);
    return at == text.npos ? -1 : std::stoi(text.substr(at + series.size()));
  }
  static void has_lineage(PeerMachine& machine, Lineage lineage) {
    MetadataImage image;
    image.cluster_id = "C";
    image.lineage = lineage;
    machine.membership.update(image);
  }
  void kill() {
    them->node.kill(sim::Death::process);
    them.reset();
  }

  std::unique_ptr<PeerMachine> own = machine(1);
  PeerMachine& us = *own;
  std::unique_ptr<PeerMachine> them = machine(2);
  MemoryBudget memory{"answers", 1_MiB};
  std::vector<std::string> outdated;
  Peers peers{{us.node.runtime(), us.membership, memory, Logger(log),
               [this](const Error& why) { outdated.emplace_back(why.message()); }}};
};

TEST_F(PeersTest, AnswersComeToWhoAsked) {
  them->controller.fenced = true;
  const auto answer = call(heartbeat_of(1));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_TRUE(answer->header.heartbeat().fenced());
}

TEST_F(PeersTest, RequestsOfAConnectionLeaveInTheirOrderAndShareIt) {
  ASSERT_TRUE(call(heartbeat_of(0)));
  int answered = 0;
  for (uint64_t i = 1; i <= 200; ++i) {
    sim.start_on(us.control(), [](PeersTest& t, uint64_t index, int& count) -> io::Task<void> {
      const auto answer = co_await t.call_on(heartbeat_of(index), 2s, Purpose::heartbeat);
      EXPECT_TRUE(answer);
      ++count;
    }(*this, i, answered));
  }
  EXPECT_TRUE(sim.run_until([&] { return answered == 200; }, 5s));
  EXPECT_EQ(them->server.connections(), 1U);
}

TEST_F(PeersTest, EachPurposeHasAConnectionOfItsOwn) {
  them->controller.delay = 1s;
  sim.start_on(us.control(), [](PeersTest& t) -> io::Task<void> {
    EXPECT_TRUE(co_await t.call_on(heartbeat_of(1), 5s, Purpose::control));
  }(*this));
  sim.run_for(100ms);
  them->controller.delay = Duration{0};
  EXPECT_TRUE(call(heartbeat_of(2), 100ms, Purpose::heartbeat));
  EXPECT_EQ(them->server.connections(), 2U);
  sim.run_for(2s);
}

TEST_F(PeersTest, ADeadBrokerFailsCallsWithItsNodeAndAddress) {
  ASSERT_TRUE(call(heartbeat_of(1)));
  kill();
  EXPECT_FALSE(call(heartbeat_of(2)));
  const auto answer = call(heartbeat_of(3));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), Errc::connection_failed);
  EXPECT_THAT(answer.error().message(), HasSubstr("broker 2 at b2:9092"));
}

TEST_F(PeersTest, TriesToConnectKeepALongerAndLongerDistance) {
  them->membership.belongs_to("D", {});
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(call(heartbeat_of(1)));
    sim.run_for(5ms);
  }
  const int tries = hellos();
  EXPECT_GE(tries, 8);
  EXPECT_LE(tries, 25);
}

TEST_F(PeersTest, ABrokerThatIsBackIsReachedAgain) {
  ASSERT_TRUE(call(heartbeat_of(1)));
  kill();
  EXPECT_FALSE(call(heartbeat_of(2)));
  them = machine(2);
  them->join("C");
  sim.run_for(1s);
  EXPECT_TRUE(call(heartbeat_of(3)));
}

TEST_F(PeersTest, AnotherAddressTakesEffect) {
  ASSERT_TRUE(call(heartbeat_of(1)));
  ClusterMember moved = member(2);
  moved.address.host = "b3";
  us.membership.note(moved);
  PeerMachine there(sim, sim.add_node("b3"), moved, log);
  there.join("C");
  EXPECT_TRUE(call(heartbeat_of(2)));
  EXPECT_EQ(there.controller.heartbeats.size(), 1U);
}

TEST_F(PeersTest, ASilentBrokerIsGivenUpAfterTheDeadline) {
  ASSERT_TRUE(call(heartbeat_of(1)));
  sim.network().cut("b2", "b1");
  const auto answer = call(heartbeat_of(2), 300ms);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), Errc::timed_out);
  EXPECT_THAT(answer.error().message(), HasSubstr("broker 2 at b2:9092"));
  EXPECT_FALSE(peers.connected(NodeId{2}, Purpose::heartbeat));
  sim.network().heal_all();
  sim.run_for(2s);
  EXPECT_TRUE(call(heartbeat_of(3)));
}

TEST_F(PeersTest, ABrokerOfAnotherClusterIsRefusedWithBothIds) {
  them->membership.belongs_to("D", {});
  const auto answer = call(heartbeat_of(1));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), Errc::wrong_cluster);
  EXPECT_THAT(answer.error().message(), HasSubstr("cluster C"));
  EXPECT_THAT(answer.error().message(), HasSubstr("D"));
}

TEST_F(PeersTest, WhoHasMetadataOfBeforeARecoveryIsToldAndTalksToNobody) {
  has_lineage(us, {});
  has_lineage(*them, {1, directory_id_of(9)});
  const auto answer = call(heartbeat_of(1));
  ASSERT_FALSE(answer);
  ASSERT_FALSE(outdated.empty());
  EXPECT_THAT(outdated.front(), HasSubstr("recovery 1 on broker 2"));
  EXPECT_THAT(outdated.front(), HasSubstr("move its metadata directory away"));
  EXPECT_TRUE(them->controller.heartbeats.empty());
}

TEST_F(PeersTest, WhoIsAheadGoesOnWithoutTheOthers) {
  has_lineage(us, {2, directory_id_of(9)});
  has_lineage(*them, {1, directory_id_of(8)});
  EXPECT_FALSE(call(heartbeat_of(1)));
  EXPECT_TRUE(outdated.empty());
  has_lineage(*them, {2, directory_id_of(9)});
  sim.run_for(1s);
  EXPECT_TRUE(call(heartbeat_of(1)));
}

TEST_F(PeersTest, RecoveredApartNeitherTalksToTheOther) {
  has_lineage(us, {1, directory_id_of(8)});
  has_lineage(*them, {1, directory_id_of(9)});
  const auto answer = call(heartbeat_of(1));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message(), HasSubstr("recovered apart"));
  EXPECT_TRUE(outdated.empty());
}

TEST_F(PeersTest, AnotherBrokerAtTheAddressIsNotTakenForIt) {
  us.membership.note({.node_id = NodeId{3}, .address = {"b2", PeerMachine::kPort}});
  const auto answer = sim.run_on(us.control(), [](Peers& p) -> io::Task<Result<PeerAnswer>> {
    co_return co_await p.call(NodeId{3}, Purpose::control, heartbeat_of(1), {},
                              io::Loop::current()->now() + 2s);
  }(peers));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message(), HasSubstr("broker 2 answers there"));
}

TEST_F(PeersTest, AnAnswerAboveTheWholeBudgetIsNotTaken) {
  for (int i = 10; i < 40'000; ++i) them->membership.note(member(i));
  native::RequestHeader request;
  request.mutable_discover();
  const auto answer = call(std::move(request), 2s, Purpose::control);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), Errc::connection_failed);
  EXPECT_THAT(answer.error().message(), HasSubstr("budget"));
  EXPECT_EQ(memory.used(), 0U);
}

TEST_F(PeersTest, AnAnswerWaitsForMemory) {
  std::optional<Reservation> taken = *memory.reserve(memory.cap());
  sim.start_on(us.control(), [](auto& held) -> io::Task<void> {
    co_await io::sleep_for(500ms);
    held.reset();
  }(taken));
  const auto before = sim.now();
  // The hello before it is an answer too.
  EXPECT_TRUE(call(heartbeat_of(1)));
  EXPECT_GE(sim.now() - before, 490ms);
}

}  // namespace
}  // namespace sluice::broker
