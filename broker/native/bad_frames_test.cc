#include <gmock/gmock.h>

#include "base/random.h"
#include "tests/support/native_world.h"

namespace sluice::broker {
namespace {

using testing::native_frame;

/// What must never harm the broker: every test ends with a request that it answers.
class BadFrames : public testing::NativeWorld {
 protected:
  void SetUp() override {
    NativeWorld::SetUp();
    topic = *broker.create("orders");
  }
  void TearDown() override {
    auto socket = open();
    const std::string one = batch("still here");
    ask(*socket, produce_request(topic, one.size()), one);
  }
  /// The one answer to `bytes` after the hello, and that the connection ends with it.
  Errc refusal(const std::string& bytes) {
    auto socket = open();
    send(*socket, bytes);
    const auto answer = receive(*socket);
    EXPECT_TRUE(closed(*socket));
    return answer ? answer->error() : Errc::connection_closed;
  }
  /// Until the answer with that id, or the end of the connection.
  static io::Task<void> read_until(io::Socket& socket, uint64_t id, bool& settled) {
    for (auto answer = co_await read(socket); answer; answer = co_await read(socket)) {
      if (answer->header.correlation_id() == id) break;
    }
    settled = true;
  }
  static std::string prefix(uint32_t size, uint32_t header) {
    std::string bytes(8, '\0');
    store_be(reinterpret_cast<std::byte*>(bytes.data()), size);
    store_be(reinterpret_cast<std::byte*>(bytes.data()) + 4, header);
    return bytes;
  }
  Uuid topic;
};

TEST_F(BadFrames, WithoutAHelloFirst) {
  auto socket = connect();
  native::RequestHeader request;
  request.mutable_metadata()->set_all(true);
  send(*socket, std::string(native::kMagic) + native_frame(request));
  EXPECT_EQ(receive(*socket)->error(), Errc::invalid_request);
  EXPECT_TRUE(closed(*socket));
}

TEST_F(BadFrames, WithASecondHello) {
  EXPECT_EQ(refusal(native_frame(testing::hello_request())), Errc::invalid_request);
}

TEST_F(BadFrames, OfVersionsToCome) {
  auto socket = connect();
  auto hello = testing::hello_request();
  hello.mutable_hello()->set_min_version(99);
  hello.mutable_hello()->set_max_version(100);
  send(*socket, std::string(native::kMagic) + native_frame(hello));
  const auto answer = receive(*socket);
  EXPECT_EQ(answer->error(), Errc::unsupported_version);
  EXPECT_THAT(answer->header.error().message(), ::testing::HasSubstr("99"));
  EXPECT_TRUE(closed(*socket));
}

TEST_F(BadFrames, OfABrokerThatAreLargeAndNotOfTheConsensus) {
  auto hello = testing::hello_request();
  std::string cluster_id;
  {
    auto socket = connect();
    send(*socket, std::string(native::kMagic) + native_frame(hello));
    cluster_id = receive(*socket)->header.hello().cluster_id();
  }
  hello.mutable_hello()->set_broker_id(2);
  hello.mutable_hello()->set_cluster_id(cluster_id);
  auto socket = connect();
  send(*socket, std::string(native::kMagic) + native_frame(hello));
  ASSERT_TRUE(receive(*socket)->header.has_hello());
  native::RequestHeader request;
  request.set_correlation_id(2);
  request.mutable_metadata()->set_all(true);
  const std::string header = request.SerializeAsString();
  const auto size = static_cast<uint32_t>(header.size());
  // Refused by its head alone: the rest never comes.
  send(*socket, prefix(4 + size + 5_MiB, size) + header + std::string(100, 'x'));
  EXPECT_EQ(receive(*socket)->error(), Errc::frame_too_large);
  EXPECT_TRUE(closed(*socket));
}

TEST_F(BadFrames, WithARequestOfAVersionToComeAreAnsweredAndTheConnectionGoesOn) {
  auto socket = open();
  native::RequestHeader request;
  request.set_correlation_id(7);
  // Field 98, a message of two bytes.
  const std::string header = request.SerializeAsString() + "\x92\x06\x02\x08\x01";
  const auto size = static_cast<uint32_t>(header.size());
  send(*socket, prefix(size + 4, size) + header);
  const auto answer = receive(*socket);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error(), Errc::unsupported);
  EXPECT_EQ(answer->header.correlation_id(), 7U);
  EXPECT_THAT(answer->header.error().message(), ::testing::HasSubstr("request 98"));
  native::RequestHeader known;
  known.mutable_metadata()->set_all(true);
  EXPECT_TRUE(call(*socket, known));
}

TEST_F(BadFrames, WithTheWrongMagic) {
  auto socket = connect();
  send(*socket, "SLU9" + native_frame(testing::hello_request()));
  EXPECT_TRUE(closed(*socket));
}

TEST_F(BadFrames, TooLargeBeforeTheHello) {
  auto socket = connect();
  auto hello = testing::hello_request();
  hello.mutable_hello()->set_client_name(std::string(5000, 'n'));
  send(*socket, std::string(native::kMagic) + native_frame(hello));
  EXPECT_EQ(receive(*socket)->error(), Errc::frame_too_large);
  EXPECT_TRUE(closed(*socket));
}

TEST_F(BadFrames, WithLyingLengths) {
  EXPECT_EQ(refusal(prefix(0, 0)), Errc::malformed_frame);
  EXPECT_EQ(refusal(prefix(10, 11)), Errc::malformed_frame);
  EXPECT_EQ(refusal(prefix(0xffffffff, 10)), Errc::frame_too_large);
  EXPECT_EQ(refusal(prefix(0x7fffffff, 10)), Errc::frame_too_large);
  EXPECT_EQ(refusal(prefix(2'000'000, 1'999'996)), Errc::frame_too_large);
}

TEST_F(BadFrames, OfGarbage) {
  EXPECT_EQ(refusal(native_frame(std::string_view("\xff\xff\xff\xff garbage"))),
            Errc::malformed_frame);
  EXPECT_EQ(refusal(native_frame(std::string_view())), Errc::malformed_frame);
  EXPECT_EQ(refusal(native_frame(std::string_view("\x08\x07"))), Errc::malformed_frame)
      << "a header without a request";
}

TEST_F(BadFrames, WithPayloadsOfAnotherSize) {
  const std::string one = batch("x");
  const auto request = produce_request(topic, one.size());
  EXPECT_EQ(refusal(native_frame(request, one.substr(1))), Errc::malformed_frame);
  EXPECT_EQ(refusal(native_frame(request, one + "x")), Errc::malformed_frame);
  native::RequestHeader metadata;
  metadata.mutable_metadata();
  EXPECT_EQ(refusal(native_frame(metadata, "payload")), Errc::malformed_frame);
}

TEST_F(BadFrames, OfTooManyEntries) {
  native::RequestHeader request;
  for (int i = 0; i < 20'000; ++i) request.mutable_metadata()->add_topics();
  EXPECT_EQ(refusal(native_frame(request)), Errc::malformed_frame);
  native::RequestHeader produce;
  for (int i = 0; i < 20'000; ++i) produce.mutable_produce()->add_partitions();
  EXPECT_EQ(refusal(native_frame(produce)), Errc::malformed_frame);
}

TEST_F(BadFrames, WithBrokenBatchesAreRefusedOneByOneAndTheConnectionGoesOn) {
  auto socket = open();
  const std::string good = batch("x");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x55);
    const auto answer = ask(*socket, produce_request(topic, bad.size()), bad);
    // The leader epoch is the broker's to stamp whatever it is; a base offset other than 0 is not.
    const bool stamped = i >= 12 && i < 16;
    EXPECT_EQ(answer.header.produce().partitions(0).has_error(), !stamped) << "byte " << i;
  }
}

TEST_F(BadFrames, FlippedAnywhereAreAnsweredOrClosed) {
  const std::string one = batch("x");
  const std::string good = native_frame(produce_request(topic, one.size()), one) +
                           native_frame(fetch_request(topic, 0, 0));
  native::RequestHeader last;
  last.set_correlation_id(77'777);
  last.mutable_metadata();
  SeededRandom random(5);
  for (size_t i = 0; i < good.size(); ++i) {
    auto socket = open();
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ static_cast<char>(1 + random.below(255)));
    send(*socket, bad + native_frame(last));
    bool settled = false;
    sim().start_on(loop(), read_until(*socket, last.correlation_id(), settled));
    // The longest a fetch may come to wait; a frame that came to be longer is given up earlier.
    EXPECT_TRUE(sim().run_until([&] { return settled; }, 310s)) << "byte " << i;
  }
}

TEST_F(BadFrames, CutAnywhereDoNoHarm) {
  const std::string one = batch("x");
  const std::string whole = std::string(native::kMagic) + native_frame(testing::hello_request()) +
                            native_frame(produce_request(topic, one.size()), one);
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    auto rest = connect();
    send(*rest, whole.substr(0, cut));
    sim().run_for(1ms);
    if (cut % 2 == 0) continue;  // the peer goes away in the middle
    send(*rest, whole.substr(cut));
    EXPECT_TRUE(receive(*rest)->header.has_hello());
    EXPECT_TRUE(receive(*rest)->header.has_produce()) << "cut at " << cut;
  }
}

}  // namespace
}  // namespace sluice::broker
