#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/admin/core.h"
#include "tests/support/client_world.h"

namespace sluice::client {
namespace {

using ::testing::ElementsAre;

/// Two brokers of one cluster; "t" has two partitions, and broker 1 leads both at first.
class FailoverTest : public ClientWorld {
 protected:
  FailoverTest() {
    EXPECT_TRUE(sim.run_on(second_loop(), second.start()));
    broker.others[2] = "second";
    second.others[1] = "broker";
    broker.add_topic("t", 2);
    second.add_topic("t", 2);
    options.brokers = {"broker:9092", "second:9092"};
  }
  void TearDown() override {
    ClientWorld::TearDown();
    sim.run_on(second_loop(), second.stop());
  }

  io::Loop& second_loop() { return other.runtime().executor.worker(0); }
  /// Broker 2 leads the partition from here on, with all that it holds.
  void fail_over(size_t id) {
    auto& from = broker.topics.at("t").partitions[id];
    from.leader = 2;
    ++from.leader_epoch;
    second.topics.at("t").partitions[id] = from;
  }
  sim::SimNode& other = sim.add_node("second");
  FakeBroker second{other.runtime(), "second", 2};
};

TEST_F(FailoverTest, AnyOfTheNamedBrokersIsGoodToBeginWith) {
  options.brokers = {"nowhere:9092", "second:9092"};
  const auto info = sim.run_on(loop(), AdminCore(cluster()).cluster());
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->brokers.size(), 2U);
}

TEST_F(FailoverTest, ABrokerThatDoesNotServeYetSendsToTheNext) {
  broker.recovering = true;
  EXPECT_TRUE(sim.run_on(loop(), AdminCore(cluster()).cluster()));
  EXPECT_EQ(second.metadatas, 1U);
  // And is not asked first again.
  EXPECT_TRUE(sim.run_on(loop(), AdminCore(cluster()).cluster()));
  EXPECT_EQ(second.metadatas, 2U);
}

TEST_F(FailoverTest, WhoNamesAControllerOfThePastIsNotAskedAgain) {
  second.controller = 2;
  second.controls = true;
  EXPECT_TRUE(sim.run_on(loop(), AdminCore(cluster()).leave_cluster(NodeId(3))));
  EXPECT_EQ(broker.metadatas, 1U);
}

TEST_F(FailoverTest, ABrokerThatSaysNothingIsPassedByLongBeforeTheRequestTimeout) {
  ASSERT_TRUE(sim.run_on(loop(), AdminCore(cluster()).cluster()));
  broker.mute = true;
  const auto before = sim.now();
  EXPECT_TRUE(sim.run_on(loop(), AdminCore(cluster()).cluster()));
  EXPECT_LT(sim.now() - before, 5s);
  EXPECT_EQ(second.metadatas, 1U);
}

TEST_F(FailoverTest, TheProducerGoesOnAtTheNewLeaderInOrder) {
  for (int i = 0; i < 20; ++i) {
    if (i == 10) fail_over(0);
    ASSERT_TRUE(send(std::to_string(i)));
  }
  ASSERT_TRUE(flush());
  std::vector<std::string> expected;
  for (int i = 0; i < 20; ++i) expected.push_back(std::to_string(i));
  EXPECT_EQ(second.values("t", 0), expected);
  EXPECT_EQ(order, expected);
}

TEST_F(FailoverTest, ALeaderThatSaysNothingIsLeftForItsSuccessorLongBeforeTheRequestTimeout) {
  ASSERT_TRUE(send("a"));
  ASSERT_TRUE(flush());
  broker.mute = true;
  ASSERT_TRUE(send("b"));
  fail_over(0);
  const auto before = sim.now();
  ASSERT_TRUE(flush());
  EXPECT_LT(sim.now() - before, 8s);
  EXPECT_THAT(second.values("t", 0), ElementsAre("a", "b"));
}

TEST_F(FailoverTest, ALeaderThatDoesNotKnowItsSuccessorIsNotAskedForIt) {
  ASSERT_TRUE(send("a"));
  ASSERT_TRUE(flush());
  fail_over(0);
  broker.topics.at("t").partitions[0].leader = 1;
  broker.topics.at("t").partitions[0].leader_epoch = 0;
  broker.produce_delay = 60s;
  ASSERT_TRUE(send("b"));
  const auto before = sim.now();
  ASSERT_TRUE(flush());
  EXPECT_LT(sim.now() - before, 8s);
  EXPECT_THAT(second.values("t", 0), ElementsAre("a", "b"));
}

TEST_F(FailoverTest, AProducerThatIsRefusedLooksForTheLeaderAgainAndPauses) {
  ASSERT_TRUE(send("a"));
  ASSERT_TRUE(flush());
  using enum FakeBroker::Fault;
  for (const Errc refusal :
       {Errc::not_leader, Errc::fenced_leader_epoch, Errc::unknown_leader_epoch}) {
    broker.refusal = refusal;
    broker.faults = {refuse, refuse, refuse, refuse, refuse};
    const int asked = broker.metadatas + second.metadatas;
    const int produced = broker.produces;
    const auto before = sim.now();
    ASSERT_TRUE(send("b"));
    ASSERT_TRUE(flush());
    EXPECT_TRUE(delivered("b"));
    EXPECT_EQ(broker.produces - produced, 6);
    EXPECT_GE(broker.metadatas + second.metadatas - asked, 5);
    // Of 0, 2.5, 5, 10 and 20 ms, with jitter.
    EXPECT_GE(sim.now() - before, 30ms);
  }
}

TEST_F(FailoverTest, ALeaderThatMovedIsFollowedWithoutAPause) {
  options.retry_backoff = options.retry_backoff_longest = Milliseconds(10'000);
  ASSERT_TRUE(send("a"));
  ASSERT_TRUE(flush());
  ASSERT_TRUE(assign());
  EXPECT_THAT(*poll(1), ElementsAre("0:a"));
  fail_over(0);
  const auto before = sim.now();
  ASSERT_TRUE(send("b"));
  ASSERT_TRUE(flush());
  EXPECT_THAT(*poll(1, Milliseconds(20'000)), ElementsAre("0:b"));
  EXPECT_LT(sim.now() - before, 1s);
  EXPECT_THAT(second.values("t", 0), ElementsAre("a", "b"));
}

TEST_F(FailoverTest, AnyBrokerSendsAProducerAndAConsumerToTheLeader) {
  options.brokers = {"second:9092"};
  second.topics.at("t").partitions[0].leader = 1;
  ASSERT_TRUE(send("a"));
  ASSERT_TRUE(flush());
  EXPECT_THAT(broker.values("t", 0), ElementsAre("a"));
  ASSERT_TRUE(assign());
  EXPECT_THAT(*poll(1, Milliseconds(20'000)), ElementsAre("0:a"));
}

TEST_F(FailoverTest, WhatTheOldLeaderTookAndDidNotAnswerIsThereOnce) {
  ASSERT_TRUE(send("a"));
  ASSERT_TRUE(flush());
  broker.faults = {FakeBroker::Fault::lose_answer};
  ASSERT_TRUE(send("b"));
  EXPECT_TRUE(sim.run_until([&] { return broker.faults.empty(); }, 5s));
  fail_over(0);
  ASSERT_TRUE(send("c"));
  ASSERT_TRUE(flush());
  EXPECT_THAT(second.values("t", 0), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(delivered("b"));
}

TEST_F(FailoverTest, ABrokerThatLagsBehindDoesNotSendBackToTheOldLeader) {
  fail_over(0);
  auto topic = sim.run_on(loop(), cluster().topic("t", true));
  ASSERT_TRUE(topic);
  EXPECT_EQ((*topic)->leaders[0].node, NodeId(2));
  broker.topics.at("t").partitions[0].leader = 1;
  broker.topics.at("t").partitions[0].leader_epoch = 0;
  topic = sim.run_on(loop(), cluster().topic("t", true));
  EXPECT_EQ((*topic)->leaders[0].node, NodeId(2));
}

TEST_F(FailoverTest, TheConsumerGoesOnAtTheNewLeader) {
  fill(0, 2, 1);
  ASSERT_TRUE(assign());
  EXPECT_THAT(*poll(10), ElementsAre("0:0", "0:1"));
  fail_over(0);
  fill(0, 1, 1);
  second.topics.at("t").partitions[0] = broker.topics.at("t").partitions[0];
  EXPECT_THAT(*poll(10, Milliseconds(20'000)), ElementsAre("0:0"));
}

TEST_F(FailoverTest, OffsetsAreAskedOfEachLeader) {
  fill(0, 3, 1);
  fill(1, 2, 1);
  fail_over(1);
  const auto offsets = sim.run_on(loop(), AdminCore(cluster()).list_offsets("t", {}));
  ASSERT_TRUE(offsets) << offsets.error().message();
  ASSERT_EQ(offsets->size(), 2U);
  EXPECT_EQ((*offsets)[0].offset, Offset(3));
  EXPECT_EQ((*offsets)[1].offset, Offset(2));
  EXPECT_EQ(
      *sim.run_on(loop(), AdminCore(cluster()).delete_records({"t", PartitionId(1)}, Offset(1))),
      Offset(1));
}

}  // namespace
}  // namespace sluice::client
