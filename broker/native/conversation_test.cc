#include <gmock/gmock.h>

#include "tests/support/native_world.h"

namespace sluice::broker {
namespace {

using testing::hello_request;
using testing::native_frame;

class Conversation : public testing::NativeWorld {
 protected:
  static std::string varint(size_t value) {
    std::string bytes;
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
    return bytes + static_cast<char>(value);
  }
  /// The line of the metric whose name and labels begin like this.
  std::string metric(const std::string& name) {
    const std::string text = "\n" + broker.node().metrics().prometheus();
    const size_t at = text.find("\n" + name);
    return at == std::string::npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  }
  Uuid topic(const std::string& name = "orders", uint32_t partitions = 1) {
    return *broker.create(name, partitions);
  }
};

TEST_F(Conversation, BeginsWithAHelloThatTellsVersionAndLimits) {
  auto socket = connect();
  send(*socket, std::string(native::kMagic));
  const auto answer = ask(*socket, hello_request());
  const auto& hello = answer.header.hello();
  EXPECT_EQ(hello.version(), 1U);
  EXPECT_EQ(hello.node_id(), 1);
  EXPECT_FALSE(hello.cluster_id().empty());
  EXPECT_FALSE(hello.broker_version().empty());
  EXPECT_GE(hello.max_frame_bytes(), 1'000'000U);
  EXPECT_GE(hello.max_in_flight(), 1U);
}

TEST_F(Conversation, AnswersAPeerThatSpeaksLaterVersionsTooWithOurs) {
  auto socket = connect();
  send(*socket, std::string(native::kMagic));
  auto hello = hello_request();
  hello.mutable_hello()->set_max_version(7);
  EXPECT_EQ(ask(*socket, hello).header.hello().version(), 1U);
}

TEST_F(Conversation, AppendsPipelinedProducesInOrderAndAnswersThemInOrder) {
  const Uuid id = topic();
  auto socket = open();
  std::string frames;
  for (int i = 0; i < 300; ++i) {
    const std::string one = batch(std::to_string(i));
    frames += native_frame(produce_request(id, one.size(), i % 2 == 0 ? -1 : 1), one);
  }
  start_sending(*socket, frames);
  for (int i = 0; i < 300; ++i) {
    const auto answer = receive(*socket);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->header.correlation_id(), 101U + static_cast<uint64_t>(i));
    ASSERT_EQ(answer->header.produce().partitions_size(), 1);
    EXPECT_EQ(answer->header.produce().partitions(0).base_offset(), i);
    EXPECT_EQ(answer->header.produce().partitions(0).receipt().replicas(), 1U);
  }
}

TEST_F(Conversation, GivesEveryPartitionOfAProduceItsOwnAnswer) {
  const Uuid id = topic();
  auto socket = open();
  const std::string one = batch("x");
  auto request = produce_request(id, one.size());
  auto& unknown = *request.mutable_produce()->add_partitions();
  unknown = request.produce().partitions(0);
  unknown.set_partition(7);
  const auto answer = ask(*socket, request, one + one);
  ASSERT_EQ(answer.header.produce().partitions_size(), 2);
  EXPECT_FALSE(answer.header.produce().partitions(0).has_error());
  EXPECT_TRUE(answer.header.produce().partitions(1).has_error());
  EXPECT_EQ(broker.status(id).log_end, Offset{1});
}

TEST_F(Conversation, NeverAnswersAProduceWithoutAcksButClosesWhenItFails) {
  const Uuid id = topic();
  auto socket = open();
  const std::string one = batch("x");
  send(*socket, native_frame(produce_request(id, one.size(), 0), one));
  const auto next = ask(*socket, produce_request(id, one.size(), 1), one);
  EXPECT_EQ(next.header.produce().partitions(0).base_offset(), 1);
  send(*socket, native_frame(produce_request(Uuid{}, one.size(), 0), one));
  EXPECT_TRUE(closed(*socket));
}

TEST_F(Conversation, FetchesWhatWasProducedByteForByte) {
  const Uuid id = topic();
  auto socket = open();
  std::string all;
  for (int i = 0; i < 20; ++i) {
    const std::string one = batch(std::string(5000, static_cast<char>('a' + i)));
    all += one;
    ask(*socket, produce_request(id, one.size()), one);
  }
  const auto answer = ask(*socket, fetch_request(id, 0, 0));
  ASSERT_EQ(answer.header.fetch().partitions_size(), 1);
  EXPECT_EQ(answer.header.fetch().partitions(0).size(), all.size());
  EXPECT_EQ(answer.header.fetch().partitions(0).high_watermark(), 20);
  ASSERT_EQ(answer.payload.size(), all.size());
  // The broker stamped offset and leader epoch; all from the magic on is the producer's.
  EXPECT_EQ(answer.payload.substr(16, 1000), all.substr(16, 1000));
  EXPECT_EQ(answer.payload.substr(all.size() - 4000), all.substr(all.size() - 4000));
}

TEST_F(Conversation, HoldsALongPollUntilSomethingComes) {
  const Uuid id = topic();
  auto reader = open();
  auto writer = open();
  EXPECT_TRUE(ask(*reader, fetch_request(id, 0, 0)).payload.empty());
  send(*reader, native_frame(fetch_request(id, 1, 0, 60'000)));
  sim().run_for(100ms);
  const std::string one = batch("x");
  ask(*writer, produce_request(id, one.size()), one);
  const auto before = sim().now();
  const auto answer = receive(*reader);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->payload.size(), one.size());
  EXPECT_LT(sim().now() - before, 1s);
}

TEST_F(Conversation, AnswersALongPollAtItsDeadlineWithoutUnchangedPartitions) {
  const Uuid id = topic();
  auto socket = open();
  ask(*socket, fetch_request(id, 0, 0));
  const auto before = sim().now();
  const auto answer = ask(*socket, fetch_request(id, 1, 0, 500));
  EXPECT_GE(sim().now() - before, 500ms);
  EXPECT_EQ(answer.header.fetch().partitions_size(), 0);
}

TEST_F(Conversation, DoesNotWaitForMoreThanItMayAnswerWith) {
  const Uuid id = topic();
  auto socket = open();
  const std::string one = batch(std::string(5000, 'x'));
  ask(*socket, produce_request(id, one.size()), one);
  auto request = fetch_request(id, 0, 0, 60'000);
  request.mutable_fetch()->set_min_bytes(1'000'000);
  request.mutable_fetch()->set_max_bytes(4000);
  const auto before = sim().now();
  EXPECT_EQ(ask(*socket, request).payload.size(), one.size());
  EXPECT_LT(sim().now() - before, 1s);
}

TEST_F(Conversation, AnswersForTheMemoryOfALargeRequestThatWaits) {
  const Uuid id = topic();
  auto socket = open();
  auto request = fetch_request(id, 0, 0, 60'000);
  ask(*socket, request);
  request.mutable_fetch()->set_session_epoch(1);
  // A field that the broker does not know, and keeps.
  const std::string field(500'000, 'p');
  const std::string padding = "\x0a" + varint(field.size()) + field;
  std::string header = request.SerializeAsString();
  header += "\xa2\x06" + varint(padding.size()) + padding;
  send(*socket, native_frame(std::string_view(header)));
  sim().run_for(500ms);
  EXPECT_THAT(metric("sluice_admission_bytes"), ::testing::HasSubstr(" 1048576"));
  EXPECT_TRUE(receive(*socket)) << "which it does for no longer than a second";
  EXPECT_THAT(metric("sluice_admission_bytes"), ::testing::HasSubstr(" 0"));
}

TEST_F(Conversation, BooksTheTimeOfALongPollAsWaiting) {
  const Uuid id = topic();
  auto socket = open();
  ask(*socket, fetch_request(id, 0, 0));
  ask(*socket, fetch_request(id, 1, 0, 3000));
  const std::string one = batch("x");
  ask(*socket, produce_request(id, one.size()), one);
  const std::string phases = "sluice_request_phase_seconds_sum{protocol=\"native\",api=\"fetch\"";
  EXPECT_THAT(metric(phases + ",phase=\"wait\"}"), ::testing::HasSubstr(" 3."));
  EXPECT_THAT(metric(phases + ",phase=\"disk\"}"), ::testing::HasSubstr(" 0"));
}

TEST_F(Conversation, KnowsASessionByItsEpochs) {
  const Uuid id = topic();
  auto socket = open();
  ask(*socket, fetch_request(id, 0, 0));
  const auto skipped = call(*socket, fetch_request(id, 5, 0));
  ASSERT_TRUE(skipped);
  EXPECT_EQ(skipped->error(), Errc::unknown_session);
  ask(*socket, fetch_request(id, 0, 0));
  ask(*socket, fetch_request(id, 1, 0));
}

TEST_F(Conversation, EndsALongPollWhenItsReaderGoes) {
  const Uuid id = topic();
  auto socket = open();
  send(*socket, native_frame(fetch_request(id, 0, 0, 200'000)));
  sim().run_for(100ms);
  sim().run_on(loop(), [](io::Socket& it) -> io::Task<void> {
    it.close();
    co_return;
  }(*socket));
  sim().run_for(100ms);
  EXPECT_THAT(broker.node().metrics().prometheus(), ::testing::HasSubstr("sluice_connections 0\n"));
}

TEST_F(Conversation, StopsTheBrokerThoughALongPollWaits) {
  const Uuid id = topic();
  auto socket = open();
  send(*socket, native_frame(fetch_request(id, 0, 0, 200'000)));
  sim().run_for(100ms);
  const auto before = sim().now();
  EXPECT_TRUE(broker.stop());
  EXPECT_LT(sim().now() - before, 5s);
}

}  // namespace
}  // namespace sluice::broker
