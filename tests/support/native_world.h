#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <gmock/gmock.h>

#include "proto/native/framing.h"
#include "proto/native/protocol.pb.h"
#include "tests/support/broker_world.h"

namespace sluice::testing {

/// A frame of the native protocol.
inline std::string native_frame(std::string_view header, std::string_view payload = {}) {
  std::string frame(native::kPrefixSize, '\0');
  native::encode_prefix(
      {static_cast<uint32_t>(header.size()), static_cast<uint32_t>(payload.size())},
      {reinterpret_cast<std::byte*>(frame.data()), frame.size()});
  frame += header;
  frame += payload;
  return frame;
}
inline std::string native_frame(const native::RequestHeader& header,
                                std::string_view payload = {}) {
  return native_frame(std::string_view(header.SerializeAsString()), payload);
}

inline native::RequestHeader hello_request() {
  native::RequestHeader header;
  header.set_correlation_id(1);
  header.mutable_hello()->set_min_version(1);
  header.mutable_hello()->set_max_version(native::kMaxVersion);
  return header;
}

/// A simulated broker and a machine from which a test speaks to it byte by byte.
class NativeWorld : public ::testing::Test {
 protected:
  struct Answer {
    native::ResponseHeader header;
    std::string payload;
    Errc error() const { return errc_from_wire(header.error().code()); }
  };

  void SetUp() override {
    const auto started = broker.start();
    ASSERT_TRUE(started) << started.error().message();
  }

  sim::Simulator& sim() { return broker.simulator(); }
  io::Loop& loop() { return peer.executor().worker(0); }

  std::unique_ptr<io::Socket> connect() {
    auto socket = sim().run_on(loop(), dial(peer.runtime()));
    EXPECT_TRUE(socket) << socket.error().message();
    return std::move(*socket);
  }
  /// Connected, and the hello said.
  std::unique_ptr<io::Socket> open() {
    auto socket = connect();
    send(*socket, std::string(native::kMagic) + native_frame(hello_request()));
    const auto answer = receive(*socket);
    EXPECT_TRUE(answer && answer->header.has_hello());
    return socket;
  }

  /// Waits until the system has it, or the connection failed.
  void send(io::Socket& socket, std::string bytes) {
    sim().run_on(loop(), write(socket, std::move(bytes)));
  }
  /// Goes on by itself while the simulation runs.
  void start_sending(io::Socket& socket, std::string bytes) {
    sim().start_on(loop(), write(socket, std::move(bytes)));
  }
  /// The next answer; none when the connection ends before.
  std::optional<Answer> receive(io::Socket& socket) { return sim().run_on(loop(), read(socket)); }
  std::optional<Answer> call(io::Socket& socket, const native::RequestHeader& request,
                             std::string_view payload = {}) {
    send(socket, native_frame(request, payload));
    return receive(socket);
  }
  /// As call, where an answer without an error is expected.
  Answer ask(io::Socket& socket, const native::RequestHeader& request,
             std::string_view payload = {}) {
    auto answer = call(socket, request, payload);
    EXPECT_TRUE(answer) << "the connection ended";
    if (!answer) return {};
    EXPECT_FALSE(answer->header.has_error()) << answer->header.error().message();
    EXPECT_EQ(answer->header.correlation_id(), request.correlation_id());
    return std::move(*answer);
  }
  /// Nothing more comes, and nothing more is taken.
  bool closed(io::Socket& socket) { return !receive(socket).has_value(); }

  std::string batch(const std::string& value) {
    const auto bytes = batch_of({{.key = "k", .value = value}});
    return std::string(as_text(bytes));
  }
  native::RequestHeader produce_request(const Uuid& topic, size_t size, int32_t acks = -1) {
    native::RequestHeader header;
    header.set_correlation_id(++correlation_);
    header.mutable_produce()->set_acks(acks);
    header.mutable_produce()->set_timeout_ms(10'000);
    auto& partition = *header.mutable_produce()->add_partitions();
    partition.set_topic_id(std::string(as_text(topic.bytes())));
    partition.set_size(static_cast<uint32_t>(size));
    return header;
  }
  native::RequestHeader fetch_request(const Uuid& topic, uint32_t epoch, int64_t offset,
                                      uint32_t wait_ms = 0) {
    native::RequestHeader header;
    header.set_correlation_id(++correlation_);
    auto& fetch = *header.mutable_fetch();
    fetch.set_session_epoch(epoch);
    fetch.set_max_wait_ms(wait_ms);
    fetch.set_min_bytes(1);
    fetch.set_max_bytes(1 << 20);
    auto& partition = *fetch.add_partitions();
    partition.set_topic_id(std::string(as_text(topic.bytes())));
    partition.set_offset(offset);
    partition.set_max_bytes(1 << 20);
    return header;
  }

  static io::Task<std::optional<Answer>> read(io::Socket& socket) {
    std::array<std::byte, native::kPrefixSize> prefix;
    if (!co_await io::read_exactly(socket, prefix)) co_return std::nullopt;
    const auto decoded = native::decode_prefix(prefix, 1u << 30, native::kMaxAnswerHeaderBytes);
    EXPECT_TRUE(decoded);
    if (!decoded) co_return std::nullopt;
    std::vector<std::byte> header(decoded->header_size);
    std::vector<std::byte> payload(decoded->payload_size);
    if (!co_await io::read_exactly(socket, header)) co_return std::nullopt;
    if (!co_await io::read_exactly(socket, payload)) co_return std::nullopt;
    Answer answer;
    EXPECT_TRUE(answer.header.ParseFromArray(header.data(), static_cast<int>(header.size())));
    answer.payload = as_text(payload);
    co_return answer;
  }

  BrokerWorld broker;
  sim::SimNode& peer = broker.simulator().add_node("peer");

 private:
  static io::Task<Result<std::unique_ptr<io::Socket>>> dial(io::Runtime& runtime) {
    co_return co_await runtime.network.connect({"broker-1", 9092},
                                               io::Loop::current()->now() + 10s);
  }
  static io::Task<void> write(io::Socket& socket, std::string bytes) {
    const std::array parts = {as_bytes(bytes)};
    (void)co_await io::write_all(socket, parts);  // the answers tell
  }
  uint64_t correlation_ = 100;
};

}  // namespace sluice::testing
