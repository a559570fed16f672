#include "broker/metadata/reunion.h"

#include <map>

#include <gmock/gmock.h>

#include "tests/support/peer_world.h"

namespace sluice::broker {
namespace {

using ::testing::IsEmpty;

/// Broker 1 of cluster C on machine b1, which hears of no leader unless a test says so, and the
/// machines of others.
class ReunionTest : public PeerWorld {
 protected:
  ReunionTest() {
    us->join("C");
    us->membership.note(member(2));
    for (auto* them : {&two, &three}) {
      (*them)->join("C");
      (*them)->membership.note(member(1));
      (*them)->controller.refusal = Error(Errc::not_controller);
    }
  }
  ~ReunionTest() override {
    reunion.stop();
    EXPECT_TRUE(sim.run_until([&] { return ended; }, 30s));
  }
  void start() { sim.start_on(us->control(), run()); }
  io::Task<void> run() {
    co_await reunion.run();
    ended = true;
  }

  bool leader = false;
  bool has_log = true;
  bool ended = false;
  std::vector<Error> refusals;
  std::unique_ptr<PeerMachine> us = machine(1);
  std::unique_ptr<PeerMachine> two = machine(2);
  std::unique_ptr<PeerMachine> three = machine(3);
  MemoryBudget memory{"answers", 1_MiB};
  Introductions introductions{us->node.runtime(), us->membership, memory};
  Reunion reunion{
      {introductions, us->membership, Logger(log), [this] { return leader; },
       [this] { return has_log; }, [this](const Error& why) { refusals.push_back(why); }},
      {.seeds = {member(3).address}}};
};

TEST_F(ReunionTest, WhoHearsOfALeaderAsksNobody) {
  leader = true;
  start();
  sim.run_for(10s);
  EXPECT_THAT(two->controller.joined, IsEmpty());
  leader = false;
  sim.run_for(1s);
  EXPECT_THAT(two->controller.joined, IsEmpty()) << "an election takes so long";
}

TEST_F(ReunionTest, MembersAndSeedsAreToldWhereItIs) {
  us->membership.listens_at({"b1", 7777});
  start();
  sim.run_for(3s);
  for (auto* them : {&two, &three}) {
    EXPECT_EQ((*them)->membership.address_of(NodeId{1})->port, 7777);
    ASSERT_FALSE((*them)->controller.returned.empty());
    EXPECT_TRUE((*them)->controller.returned.front());
  }
  leader = true;
  sim.run_for(1500ms);
  const size_t asked = two->controller.joined.size();
  sim.run_for(10s);
  EXPECT_EQ(two->controller.joined.size(), asked);
  EXPECT_TRUE(log.say("hears of a controller again"));
}

TEST_F(ReunionTest, AMemberThatIsElsewhereIsFoundThroughTheOthers) {
  // Broker 2 is at the machine b5 now, which only broker 3 knows.
  us->membership.note({.cluster_name = "test",
                       .node_id = NodeId{2},
                       .directory_id = directory_id_of(2),
                       .address = {"gone", 1},
                       .cluster_id = "C"});
  two.reset();
  ClusterMember moved = member(2);
  moved.address.host = "b5";
  moved.cluster_id = "C";
  two = std::make_unique<PeerMachine>(sim, sim.add_node("b5"), moved, log);
  two->join("C");
  three->membership.note(moved);
  start();
  sim.run_for(4s);
  EXPECT_EQ(us->membership.address_of(NodeId{2})->host, "b5");
  EXPECT_FALSE(two->controller.joined.empty());
}

TEST_F(ReunionTest, AMemberThatCameMeanwhileIsFoundThroughTheOthers) {
  auto four = machine(4);
  four->join("C");
  ClusterMember newcomer = member(4);
  newcomer.cluster_id = "C";
  three->membership.note(newcomer);
  start();
  sim.run_for(4s);
  EXPECT_EQ(us->membership.address_of(NodeId{4}), newcomer.address);
  EXPECT_EQ(us->membership.directory_of(NodeId{4}), newcomer.directory_id);
}

TEST_F(ReunionTest, ARefusalOfTheClusterIsPassedOnAndThatOfAnotherOneIsNot) {
  two->membership.belongs_to("D", {});
  two->controller.refusal = Error(Errc::wrong_cluster, "of another cluster");
  start();
  sim.run_for(4s);
  EXPECT_THAT(refusals, IsEmpty());
  EXPECT_THAT(two->controller.joined, IsEmpty());
  three->controller.refusal = Error(Errc::wrong_cluster, "it left");
  sim.run_for(2s);
  ASSERT_FALSE(refusals.empty());
  EXPECT_NE(refusals.front().message().find("it left"), std::string::npos);
}

TEST_F(ReunionTest, ThatNobodyAnswersIsSaidEveryTenSeconds) {
  two.reset();
  three.reset();
  start();
  sim.run_for(30s);
  EXPECT_TRUE(log.say("hears of no controller"));
  EXPECT_LE(log.lines.size(), 4U);
}

}  // namespace
}  // namespace sluice::broker
