#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/client_world.h"

namespace sluice::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Fault = FakeBroker::Fault;

std::vector<std::string> numbers(int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) out.push_back(std::to_string(i));
  return out;
}

class ProducerTest : public ClientWorld {
 protected:
  ProducerTest() { broker.add_topic("t", 1); }
  /// Each record fills a batch of its own.
  void one_record_a_batch() { producing.batch_size = 256; }
  std::string padded(int number) {
    auto value = std::to_string(number);
    value.resize(180, '.');
    return value;
  }
  void send_padded(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(send(padded(i)));
  }
  std::vector<std::string> all_padded(int count) {
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) out.push_back(padded(i));
    return out;
  }
};

TEST_F(ProducerTest, DeliversInTheOrderOfTheSends) {
  for (const auto& value : numbers(100)) ASSERT_TRUE(send(value));
  ASSERT_TRUE(flush());
  EXPECT_EQ(broker.values("t", 0), numbers(100));
  EXPECT_EQ(order, numbers(100));
  EXPECT_EQ(outcomes.at("42")->offset, Offset(42));
}

TEST_F(ProducerTest, SendsAtOnceWhenNothingLingers) {
  ASSERT_TRUE(send("a"));
  EXPECT_TRUE(sim.run_until([&] { return delivered("a"); }, 100ms));
}

TEST_F(ProducerTest, LetsABatchLingerForMoreRecords) {
  producing.linger = Milliseconds(50);
  ASSERT_TRUE(send("a"));
  sim.run_for(30ms);
  ASSERT_TRUE(send("b"));
  EXPECT_TRUE(sim.run_until([&] { return delivered("b"); }, 40ms));
  EXPECT_EQ(broker.produces, 1);
}

TEST_F(ProducerTest, FlushDoesNotWaitForTheLinger) {
  producing.linger = Milliseconds(60'000);
  ASSERT_TRUE(send("a"));
  const auto before = sim.now();
  ASSERT_TRUE(flush());
  EXPECT_LT(sim.now() - before, 1s);
}

TEST_F(ProducerTest, KeepsTheOrderOverRetries) {
  one_record_a_batch();
  ASSERT_TRUE(send(padded(0)));
  ASSERT_TRUE(flush());
  broker.faults = {Fault::none, Fault::refuse, Fault::none,
                   Fault::drop, Fault::none,   Fault::refuse};
  for (int i = 1; i < 20; ++i) ASSERT_TRUE(send(padded(i)));
  ASSERT_TRUE(flush());
  EXPECT_EQ(broker.values("t", 0), all_padded(20));
  EXPECT_EQ(order, all_padded(20));
  EXPECT_GT(producer().metrics().retries, 0u);
}

TEST_F(ProducerTest, DoesNotRepeatABatchWhoseAnswerWasLost) {
  one_record_a_batch();
  broker.faults = {Fault::none, Fault::lose_answer, Fault::none, Fault::lose_answer};
  send_padded(10);
  ASSERT_TRUE(flush());
  EXPECT_EQ(broker.values("t", 0), all_padded(10));
  EXPECT_EQ(broker.identities, 1);
}

TEST_F(ProducerTest, AnIdentityIsRenewedBehindABatchThatWasRefusedForGood) {
  one_record_a_batch();
  ASSERT_TRUE(send(padded(0)));
  ASSERT_TRUE(flush());
  broker.refusal = Errc::invalid_record;
  broker.faults = {Fault::refuse};
  for (int i = 1; i < 6; ++i) ASSERT_TRUE(send(padded(i)));
  ASSERT_TRUE(flush());
  EXPECT_EQ(outcomes.at(padded(1)).error(), Errc::invalid_record);
  auto rest = all_padded(6);
  rest.erase(rest.begin() + 1);
  EXPECT_EQ(broker.values("t", 0), rest);
  EXPECT_EQ(broker.identities, 2);
}

// With nothing of the producer in the log, only the first batch may begin it: those behind one that
// was refused for a while are refused as a stranger's, and all go out again as they were.
TEST_F(ProducerTest, AProducersFirstBatchMayBeRefusedForAWhile) {
  one_record_a_batch();
  broker.refusal = Errc::disk_full;
  broker.faults = {Fault::refuse};
  send_padded(4);
  ASSERT_TRUE(flush());
  EXPECT_EQ(broker.values("t", 0), all_padded(4));
  EXPECT_EQ(order, all_padded(4));
  EXPECT_EQ(broker.identities, 1);
  EXPECT_GT(producer().metrics().retries, 1u);
}

// One answer that does not decode says nothing about the batches of the others.
TEST_F(ProducerTest, SendsAgainWhenAnAnswerIsNoFrame) {
  one_record_a_batch();
  broker.faults = {Fault::none, Fault::garble};
  send_padded(10);
  ASSERT_TRUE(flush());
  EXPECT_EQ(broker.values("t", 0), all_padded(10));
  for (const auto& value : all_padded(10)) EXPECT_TRUE(delivered(value)) << value;
}

// The first batch is given up, but the broker has it, and those behind it too: a new identity would
// let it append them a second time.
TEST_F(ProducerTest, DoesNotRepeatWhatFollowsABatchThatWasGivenUp) {
  one_record_a_batch();
  producing.delivery_timeout = Milliseconds(1000);
  ASSERT_TRUE(send(padded(0)));
  ASSERT_TRUE(flush());
  broker.faults = {Fault::swallow};
  ASSERT_TRUE(send(padded(1)));
  sim.run_for(700ms);
  ASSERT_TRUE(send(padded(2)));
  ASSERT_TRUE(send(padded(3)));
  sim.run_for(500ms);
  EXPECT_EQ(outcomes.at(padded(1)).error(), Errc::timed_out);
  broker.drop_connections();
  ASSERT_TRUE(flush());
  EXPECT_TRUE(delivered(padded(3)));
  EXPECT_EQ(broker.values("t", 0), all_padded(4));
}

TEST_F(ProducerTest, GivesUpWhenTheDeliveryTimesOut) {
  producing.delivery_timeout = Milliseconds(500);
  ASSERT_TRUE(send("a"));
  ASSERT_TRUE(flush());
  broker.topics.at("t").partitions[0].leader = -1;
  ASSERT_TRUE(send("b"));
  EXPECT_FALSE(sim.run_until([&] { return outcomes.contains("b"); }, 490ms));
  EXPECT_TRUE(sim.run_until([&] { return outcomes.contains("b"); }, 20ms));
  EXPECT_EQ(outcomes.at("b").error(), Errc::timed_out);
  EXPECT_THAT(outcomes.at("b").error().message(), HasSubstr("delivery.timeout.ms"));
}

TEST_F(ProducerTest, ACallThatIsGivenUpLeavesTheConnectionToTheOthers) {
  broker.add_topic("t", 2);
  producing.delivery_timeout = Milliseconds(500);
  ASSERT_TRUE(send("a"));
  ASSERT_TRUE(flush());
  broker.produce_delay = 600ms;
  ASSERT_TRUE(send("b"));
  ASSERT_TRUE(flush());
  EXPECT_EQ(outcomes.at("b").error(), Errc::timed_out);
  EXPECT_EQ(broker.connections, 1);
}

TEST_F(ProducerTest, WithoutAcknowledgementsEverythingIsSentOnce) {
  producing.acks = Acks::none;
  for (const auto& value : numbers(50)) ASSERT_TRUE(send(value));
  ASSERT_TRUE(flush());
  sim.run_for(100ms);
  EXPECT_EQ(broker.values("t", 0), numbers(50));
  EXPECT_EQ(outcomes.at("7")->offset, Offset(-1));
  EXPECT_EQ(broker.identities, 0);
}

TEST_F(ProducerTest, FlushReportsTheFirstFailureNobodyHeardOf) {
  broker.refusal = Errc::invalid_record;
  broker.faults = {Fault::refuse};
  ASSERT_TRUE(sim.run_on(loop(), producer().send("t", {.value = "a"}, nullptr)));
  const auto flushed = flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error(), Errc::invalid_record);
  EXPECT_TRUE(flush());
  EXPECT_EQ(producer().metrics().records_failed, 1u);
}

}  // namespace
}  // namespace sluice::client
