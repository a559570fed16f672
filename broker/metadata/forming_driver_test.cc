#include "broker/metadata/forming_driver.h"

#include <algorithm>
#include <map>

#include <gmock/gmock.h>

#include "broker/metadata/founding_file.h"
#include "tests/support/peer_world.h"

namespace sluice::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Brokers of a simulation that form a cluster, or try to.
class FormingDriverTest : public PeerWorld {
 protected:
  struct Starting {
    std::unique_ptr<PeerMachine> machine;
    std::unique_ptr<FormingDriver> driver;
    std::optional<Result<Founding>> outcome;
  };
  ~FormingDriverTest() override {
    for (auto& [number, starting] : all) starting.driver->stop();
    EXPECT_TRUE(sim.run_until([&] { return settled() == all.size(); }, 30s));
    for (auto& [number, starting] : all) starting.driver.reset();
  }

  /// Fresh on a new disk, or on what is left on `disk`.
  Starting& start(int number, ClusterMember self, sim::DiskImage disk = {}) {
    listen(number, std::move(self), std::move(disk));
    return begin(number);
  }
  /// It is reached, and has not begun to find its cluster.
  void listen(int number, ClusterMember self, sim::DiskImage disk) {
    Starting& starting = all[number];
    sim::NodeOptions node;
    node.disk = std::move(disk);
    starting.machine = std::make_unique<PeerMachine>(
        sim, sim.add_node(name_of(number), std::move(node)), std::move(self), log);
    PeerMachine& machine = *starting.machine;
    EXPECT_TRUE(sim.run_on(machine.control(), machine.node.disk().create_directories("/m")));
    FormingOptions options{.directory = "/m", .seeds = seeds, .own_cluster_id = "own"};
    starting.driver = std::make_unique<FormingDriver>(
        FormingPorts{machine.node.runtime(), machine.node.disk(), machine.membership,
                     machine.memory, Logger(log)},
        std::move(options));
  }
  Starting& begin(int number) {
    Starting& starting = all[number];
    sim.start_on(starting.machine->control(), run(*starting.driver, starting.outcome));
    return starting;
  }
  Starting& start(int number) { return start(number, member(number)); }
  static io::Task<void> run(FormingDriver& driver, std::optional<Result<Founding>>& outcome) {
    outcome.emplace(co_await driver.run());
  }
  size_t settled() const {
    return static_cast<size_t>(std::ranges::count_if(
        all, [](const auto& entry) { return entry.second.outcome.has_value(); }));
  }
  bool wait(size_t count = 3) {
    return sim.run_until([&] { return settled() >= count; }, 20s);
  }
  /// The process dies; what is on its disk.
  sim::DiskImage kill(int number) {
    Starting& starting = all[number];
    auto disk = starting.machine->node.disk().image();
    starting.machine->node.kill(sim::Death::process);
    starting.driver->stop();
    EXPECT_TRUE(sim.run_until([&] { return starting.outcome.has_value(); }, 20s));
    all.erase(number);
    return disk;
  }
  Founding founding(int number) {
    const auto& outcome = all[number].outcome;
    EXPECT_TRUE(outcome && *outcome) << (outcome ? outcome->error().message() : "undecided");
    return outcome && *outcome ? **outcome : Founding{};
  }
  std::string refusal(int number) {
    const auto& outcome = all[number].outcome;
    return outcome && !*outcome ? std::string(outcome->error().message()) : "";
  }
  void open_controller(int number) {
    all[number].machine->ports.consensus = &all[number].machine->consensus;
    all[number].machine->ports.controller = &all[number].machine->controller;
  }

  std::vector<io::Endpoint> seeds = {member(1).address, member(2).address, member(3).address};
  std::map<int, Starting> all;
};

TEST_F(FormingDriverTest, ThreeBrokersFormOneClusterInEveryOrderOfStarting) {
  std::vector<int> order = {1, 2, 3};
  do {
    for (const int number : order) {
      start(number);
      sim.run_for(300ms);
    }
    ASSERT_TRUE(wait());
    for (const int number : order) EXPECT_EQ(founding(number), founding(1));
    EXPECT_THAT(founding(1).voters(), ElementsAre(NodeId{1}, NodeId{2}, NodeId{3}));
    EXPECT_EQ(all[1].machine->membership.cluster_id(), founding(1).cluster_id);
    for (const int number : order) kill(number);
  } while (std::ranges::next_permutation(order).found);
}

TEST_F(FormingDriverTest, AMissingSeedIsWaitedForAndNamedEveryFewSeconds) {
  start(1);
  start(2);
  sim.run_for(10s);
  EXPECT_EQ(settled(), 0U);
  EXPECT_TRUE(log.say("seed b3:9092"));
  EXPECT_LE(log.lines.size(), 20U);
  start(3);
  EXPECT_TRUE(wait());
}

TEST_F(FormingDriverTest, ASeedThatDoesNotResolveIsNamed) {
  seeds.push_back({"nowhere", 9092});
  for (const int number : {1, 2, 3}) start(number);
  sim.run_for(5s);
  EXPECT_EQ(settled(), 0U);
  EXPECT_TRUE(log.say("seed nowhere:9092"));
  EXPECT_TRUE(log.say("does not resolve"));
}

TEST_F(FormingDriverTest, ABrokerThatCrashedMidwayDecidesTheSame) {
  for (const int number : {1, 2, 3}) start(number);
  ASSERT_TRUE(wait());
  const Founding decided = founding(1);
  // Node 2 loses what it decided, and node 3 is away.
  kill(3);
  kill(2);
  start(2, member(2));
  ASSERT_TRUE(wait(2));
  EXPECT_EQ(founding(2), decided);
}

TEST_F(FormingDriverTest, WhatWasDecidedIsNotAskedForAgain) {
  for (const int number : {1, 2, 3}) start(number);
  ASSERT_TRUE(wait());
  const std::string decided = founding(2).cluster_id;
  for (const int number : {1, 3}) kill(number);
  start(2, member(2), kill(2));
  ASSERT_TRUE(wait(1));
  EXPECT_EQ(founding(2).cluster_id, decided);
  EXPECT_EQ(founding(2).voters().size(), 3U);
  EXPECT_EQ(all[2].machine->membership.founders().size(), 3U);
}

TEST_F(FormingDriverTest, AWipedBrokerAsksToJoinAndMayBeRefused) {
  for (const int number : {1, 2, 3}) start(number);
  ASSERT_TRUE(wait());
  for (const int number : {1, 3}) {
    open_controller(number);
    all[number].machine->controller.refusal =
        Error(Errc::wrong_cluster, "broker 2 has another directory");
  }
  kill(2);
  ClusterMember wiped = member(2);
  wiped.directory_id = directory_id_of(99);
  start(2, wiped);
  ASSERT_TRUE(wait());
  EXPECT_THAT(refusal(2), HasSubstr("another directory"));
}

TEST_F(FormingDriverTest, AFourthBrokerJoinsWhereTheControllerIs) {
  for (const int number : {1, 2, 3}) start(number);
  ASSERT_TRUE(wait());
  for (const int number : {1, 2, 3}) open_controller(number);
  for (const int number : {1, 2}) {
    all[number].machine->controller.refusal = Error(Errc::not_controller);
  }
  start(4);
  ASSERT_TRUE(wait(4));
  EXPECT_EQ(founding(4).cluster_id, founding(1).cluster_id);
  EXPECT_TRUE(founding(4).founders.empty());
  EXPECT_EQ(founding(4).members.size(), 3U);
  ASSERT_EQ(all[3].machine->controller.joined.size(), 1U);
  EXPECT_EQ(all[3].machine->controller.joined.front().address.host, "b4");
}

TEST_F(FormingDriverTest, TwoBrokersWithOneIdAreRefused) {
  start(1);
  ClusterMember twin = member(2);
  twin.node_id = NodeId{1};
  start(2, twin);
  ASSERT_TRUE(wait(2));
  for (const int number : {1, 2}) {
    EXPECT_THAT(refusal(number), HasSubstr("b1:9092"));
    EXPECT_THAT(refusal(number), HasSubstr("b2:9092"));
  }
}

TEST_F(FormingDriverTest, AnotherNameIsRefused) {
  start(1);
  ClusterMember other = member(2);
  other.cluster_name = "elsewhere";
  start(2, other);
  ASSERT_TRUE(wait(2));
  EXPECT_THAT(refusal(2), HasSubstr("\"elsewhere\""));
  EXPECT_THAT(refusal(2), HasSubstr("\"test\""));
}

TEST_F(FormingDriverTest, WithoutSeedsABrokerIsItsOwnFounderFromThenOn) {
  seeds.clear();
  const auto before = sim.now();
  start(1);
  ASSERT_TRUE(wait(1));
  EXPECT_LT(sim.now() - before, 100ms);
  const Founding own = founding(1);
  EXPECT_EQ(own.cluster_id, "own");
  EXPECT_THAT(own.voters(), ElementsAre(NodeId{1}));
  // Started again, with seeds too, it is what it was.
  seeds = {member(2).address};
  start(1, member(1), kill(1));
  ASSERT_TRUE(wait(1));
  EXPECT_EQ(founding(1).cluster_id, "own");
  EXPECT_EQ(all[1].machine->membership.cluster_id(), "own");
}

TEST_F(FormingDriverTest, AWipedFounderIsNoFounderAgainWhileTheOthersStart) {
  for (const int number : {1, 2, 3}) start(number);
  ASSERT_TRUE(wait());
  const std::string id = founding(1).cluster_id;
  std::map<int, sim::DiskImage> disks;
  for (const int number : {1, 2, 3}) disks[number] = kill(number);
  ClusterMember wiped = member(3);
  wiped.directory_id = directory_id_of(99);
  start(3, wiped);
  // Those listen before they read what they are.
  for (const int number : {1, 2}) listen(number, member(number), std::move(disks[number]));
  sim.run_for(2s);
  EXPECT_EQ(settled(), 0u) << "they may be members of a cluster";
  for (const int number : {1, 2}) begin(number);
  ASSERT_TRUE(wait(2));
  for (const int number : {1, 2}) {
    EXPECT_EQ(founding(number).cluster_id, id);
    open_controller(number);
    all[number].machine->controller.refusal = Error(Errc::wrong_cluster, "another directory");
  }
  ASSERT_TRUE(wait(3));
  EXPECT_THAT(refusal(3), HasSubstr("another directory"));
}

TEST_F(FormingDriverTest, EndsWhenItIsStopped) {
  start(1);
  sim.run_for(1s);
  all[1].driver->stop();
  ASSERT_TRUE(wait(1));
  EXPECT_EQ(all[1].outcome->error(), Errc::shutting_down);
}

}  // namespace
}  // namespace sluice::broker
