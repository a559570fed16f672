// What a producer does at its limits: memory, time, closing, many partitions.

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/client_world.h"

namespace sluice::client {
namespace {

using testing::HasSubstr;
using Fault = FakeBroker::Fault;

class ProducerLimitsTest : public ClientWorld {
 protected:
  ProducerLimitsTest() { broker.add_topic("t", 1); }
};

TEST_F(ProducerLimitsTest, SaysHowFullTheMemoryIsWhenTheBrokerIsStuck) {
  producing.batch_size = 1024;
  producing.buffer_memory = 4096;
  producing.max_block = Milliseconds(300);
  broker.mute = false;
  ASSERT_TRUE(send("first"));
  ASSERT_TRUE(flush());
  broker.mute = true;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(send(std::string(900, 'x') + std::to_string(i)));
  const auto before = sim.now();
  const auto refused = send(std::string(900, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::timed_out);
  EXPECT_THAT(refused.error().message(), HasSubstr("4096 of 4096"));
  EXPECT_GE(sim.now() - before, 300ms);
  EXPECT_LE(producer().metrics().buffer_used, 4096u);
}

TEST_F(ProducerLimitsTest, RefusesARecordThatCanNeverFit) {
  producing.buffer_memory = 64 * 1024;
  const auto refused = send(std::string(100'000, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::batch_too_large);
  broker.topics.at("t").max_message_bytes = 1000;
  EXPECT_TRUE(send("small"));
}

TEST_F(ProducerLimitsTest, TakesAnAnswerWithAHeaderLargerThanARequestMayHave) {
  broker.cluster_id = std::string(2'000'000, 'c');
  ASSERT_TRUE(send("x"));
  ASSERT_TRUE(flush());
  EXPECT_EQ(broker.values("t", 0).size(), 1u);
}

TEST_F(ProducerLimitsTest, KeepsBatchesBelowTheTopicsLimit) {
  broker.topics.at("t").max_message_bytes = 1000;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(send(std::string(50, 'x') + std::to_string(i)));
  ASSERT_TRUE(flush());
  for (const auto& batch : broker.topics.at("t").partitions[0].batches) {
    EXPECT_LE(batch.size(), 1000u);
  }
  EXPECT_EQ(broker.values("t", 0).size(), 100u);
}

TEST_F(ProducerLimitsTest, ARecordLargerThanABatchGetsABatchOfItsOwn) {
  ASSERT_TRUE(send("before"));
  ASSERT_TRUE(send(std::string(100'000, 'x')));
  ASSERT_TRUE(send("after"));
  ASSERT_TRUE(flush());
  EXPECT_EQ(broker.values("t", 0)[1].size(), 100'000u);
  EXPECT_EQ(producer().metrics().buffer_used, 0u);
}

// Batches that linger in many partitions hold all memory; whoever waits must not wait for them.
TEST_F(ProducerLimitsTest, BatchesThatLingerGiveWayToThoseWhoWait) {
  broker.add_topic("t", 8);
  producing.linger = Milliseconds(3'600'000);
  producing.buffer_memory = 4 * producing.batch_size;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(send(std::to_string(i), PartitionId(i)));
  ASSERT_TRUE(send("4", PartitionId(4)));
  EXPECT_LT(sim.now(), sim::TrueTime(10s));
}

TEST_F(ProducerLimitsTest, ClosesInTimeWhenTheBrokerIsStuck) {
  ASSERT_TRUE(send("a"));
  ASSERT_TRUE(flush());
  broker.mute = true;
  ASSERT_TRUE(send("b"));
  const auto before = sim.now();
  EXPECT_TRUE(close(200ms));
  EXPECT_LT(sim.now() - before, 300ms);
  EXPECT_EQ(outcomes.at("b").error(), Errc::timed_out);
}

TEST_F(ProducerLimitsTest, ClosesInTimeWhileItRetries) {
  options.retry_backoff = options.retry_backoff_longest = Milliseconds(60'000);
  ASSERT_TRUE(send("a"));
  ASSERT_TRUE(flush());
  broker.faults = {Fault::refuse};
  ASSERT_TRUE(send("b"));
  sim.run_for(50ms);
  const auto before = sim.now();
  EXPECT_TRUE(close(200ms));
  EXPECT_LT(sim.now() - before, 300ms);
  EXPECT_EQ(outcomes.at("b").error(), Errc::timed_out);
}

TEST_F(ProducerLimitsTest, AfterCloseNothingIsTaken) {
  ASSERT_TRUE(send("a"));
  ASSERT_TRUE(close(1s));
  EXPECT_TRUE(delivered("a"));
  const auto refused = send("b");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::shutting_down);
}

TEST_F(ProducerLimitsTest, RecordsWithoutAKeyFillOnePartitionAfterTheOther) {
  broker.add_topic("t", 4);
  producing.linger = Milliseconds(1000);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(send(std::string(90, 'x'), std::nullopt));
  ASSERT_TRUE(flush());
  std::set<size_t> used;
  int batches = 0;
  for (size_t i = 0; i < 4; ++i) {
    const auto& partition = broker.topics.at("t").partitions[i];
    batches += static_cast<int>(partition.batches.size());
    if (!partition.batches.empty()) used.insert(i);
  }
  EXPECT_EQ(used.size(), 4u);
  EXPECT_LE(batches, 7);
}

TEST_F(ProducerLimitsTest, AThousandPartitionsFailTogetherAndAskForTheirLeadersTogether) {
  broker.add_topic("t", 1000);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(send("a" + std::to_string(i), PartitionId(i)));
  ASSERT_TRUE(flush());
  const int before = broker.metadatas;
  sim.run_on(broker_loop(), [](FakeBroker& fake) -> io::Task<void> {
    fake.drop_connections();
    co_return;
  }(broker));
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(send("b" + std::to_string(i), PartitionId(i)));
  ASSERT_TRUE(flush());
  EXPECT_TRUE(delivered("b999"));
  EXPECT_LT(broker.metadatas - before, 20);
}

TEST_F(ProducerLimitsTest, LearnsOfNewPartitions) {
  options.metadata_max_age = Milliseconds(1000);
  ASSERT_TRUE(send("a"));
  EXPECT_FALSE(send("b", PartitionId(1)));
  broker.topics.at("t").partitions.resize(2);
  sim.run_for(3s);
  EXPECT_TRUE(send("c", PartitionId(1)));
}

TEST_F(ProducerLimitsTest, AnUnknownTopicIsAnErrorThatNamesIt) {
  const auto refused = sim.run_on(loop(), producer().send("nowhere", {.value = "a"}, nullptr));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::unknown_topic_or_partition);
  EXPECT_THAT(refused.error().message(), HasSubstr("nowhere"));
}

}  // namespace
}  // namespace sluice::client
