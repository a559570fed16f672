#include "bench/load/peer.h"

#include <iostream>
#include <utility>

#include <unistd.h>

#include "base/check.h"
#include "io/network.h"
#include "proto/native/framing.h"
#include "proto/record/builder.h"

namespace sluice::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// What an answer may have beside its payload.
constexpr size_t kAnswerRoom = 1 << 20;

[[noreturn]] void die(std::string_view why) {
  std::cerr << "bench: " << why << "\n";
  _exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) die(result.error().message());
  return std::move(*result);
}

Timestamp wall_now() {
  return Timestamp(std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count());
}

std::vector<std::byte> batch_of(size_t record_size, size_t batch_size) {
  std::vector<std::byte> buffer(batch_size);
  record::BatchBuilder builder{MutableBytes(buffer)};
  const std::string value(record_size, 'v');
  while (builder.append(std::nullopt, as_bytes(value), {}, wall_now())) {
  }
  const auto batch = builder.finish({});
  return {batch.begin(), batch.end()};
}

std::vector<std::byte> batch_of_one(size_t record_size) {
  std::vector<std::byte> out(record::max_batch_size(0, record_size));
  record::BatchBuilder builder{MutableBytes(out)};
  const std::string value(record_size, 'v');
  CHECK(builder.append(std::nullopt, as_bytes(value), {}, wall_now()),
        "a batch takes its one record");
  const auto batch = builder.finish({});
  return {batch.begin(), batch.end()};
}

std::vector<std::byte> frame_of(const native::RequestHeader& header, ByteView payload) {
  const size_t header_size = header.ByteSizeLong();
  std::vector<std::byte> frame(native::kPrefixSize + header_size);
  native::encode_prefix({.header_size = static_cast<uint32_t>(header_size),
                         .payload_size = static_cast<uint32_t>(payload.size())},
                        frame);
  header.SerializeToArray(frame.data() + native::kPrefixSize, static_cast<int>(header_size));
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

/// The size of the frame that begins like this; 0 when its first bytes are not there yet.
size_t frame_size(ByteView begin) {
  return begin.size() < native::kPrefixSize ? 0 : 4 + load_be<uint32_t>(begin.data());
}

native::ResponseHeader header_of(ByteView frame) {
  native::ResponseHeader header;
  const size_t size = load_be<uint32_t>(frame.data() + 4);
  if (!header.ParseFromArray(frame.data() + native::kPrefixSize, static_cast<int>(size))) {
    die("the answer is no ResponseHeader");
  }
  if (header.error().code() != 0) die(header.error().message());
  return header;
}

void check_produced(ByteView frame) {
  const auto header = header_of(frame);
  const auto& error = header.produce().partitions(0).error();
  if (error.code() != 0) die("produce was refused: " + error.message());
}

}  // namespace

Peer::Peer(const std::string& broker) {
  auto endpoint = must(io::Endpoint::parse(broker));
  host_ = std::move(endpoint.host);
  port_ = endpoint.port;
}

std::vector<std::byte> Peer::opening() {
  native::RequestHeader request;
  request.mutable_hello()->set_min_version(native::kMinVersion);
  request.mutable_hello()->set_max_version(native::kMaxVersion);
  const ByteView magic = as_bytes(native::kMagic);
  std::vector<std::byte> bytes(magic.begin(), magic.end());
  const auto hello = frame_of(request, {});
  bytes.insert(bytes.end(), hello.begin(), hello.end());
  return bytes;
}

std::vector<std::byte> Peer::announce(size_t bytes) const {
  const native::RequestHeader header = produce_request(bytes);
  std::vector<std::byte> frame(native::kPrefixSize + header.ByteSizeLong());
  native::encode_prefix({.header_size = static_cast<uint32_t>(header.ByteSizeLong()),
                         .payload_size = static_cast<uint32_t>(bytes)},
                        frame);
  header.SerializeToArray(frame.data() + native::kPrefixSize,
                          static_cast<int>(frame.size() - native::kPrefixSize));
  return frame;
}

std::vector<std::byte> Peer::fetch_frame(size_t piece) const {
  return frame_of(fetch_request(piece, Offset(0)), {});
}

RawConnection Peer::connect() const {
  RawConnection connection(host_, port_);
  connection.send(opening());
  std::vector<std::byte> answer(4096);
  connection.receive(frame_size, answer);
  return connection;
}

native::ResponseHeader Peer::call(const native::RequestHeader& request) const {
  const RawConnection connection = connect();
  connection.send(frame_of(request, {}));
  std::vector<std::byte> answer(kAnswerRoom);
  return header_of(ByteView(answer).first(connection.receive(frame_size, answer)));
}

void Peer::create_topic(const std::string& name, uint32_t partitions) {
  native::RequestHeader request;
  request.mutable_create_topic()->set_name(name);
  request.mutable_create_topic()->set_partitions(partitions);
  topic_id_ = call(request).create_topic().id();
}

void Peer::use_topic(const std::string& name) {
  native::RequestHeader request;
  request.mutable_metadata()->add_topics()->set_name(name);
  const auto answer = call(request);
  const auto& topic = answer.metadata().topics(0);
  if (topic.error().code() != 0) die(topic.error().message());
  topic_id_ = topic.id();
}

native::RequestHeader Peer::produce_request(size_t bytes, int32_t to) const {
  native::RequestHeader header;
  auto& produce = *header.mutable_produce();
  produce.set_acks(1);
  produce.set_timeout_ms(30'000);
  auto& partition = *produce.add_partitions();
  partition.set_topic_id(topic_id_);
  partition.set_partition(to);
  partition.set_size(static_cast<uint32_t>(bytes));
  return header;
}

native::RequestHeader Peer::fetch_request(size_t piece, Offset from) const {
  native::RequestHeader header;
  auto& fetch = *header.mutable_fetch();
  fetch.set_min_bytes(1);
  fetch.set_max_bytes(static_cast<uint32_t>(piece));
  auto& partition = *fetch.add_partitions();
  partition.set_topic_id(topic_id_);
  partition.set_partition(0);
  partition.set_offset(from.value());
  partition.set_max_bytes(static_cast<uint32_t>(piece));
  return header;
}

void Peer::fill(uint64_t bytes) {
  const auto batch = batch_of(100, 16_KiB);
  const auto request = frame_of(produce_request(batch.size()), batch);
  const RawConnection connection = connect();
  std::vector<std::byte> answer(4096);
  for (uint64_t sent = 0; sent < bytes; sent += batch.size()) {
    connection.send(request);
    check_produced(ByteView(answer).first(connection.receive(frame_size, answer)));
  }
}

Rate Peer::ingest(size_t window, uint64_t total) {
  const auto batch = batch_of(100, 16_KiB);
  const auto request = frame_of(produce_request(batch.size()), batch);
  return stream(connect(), {.request = request, .whole = frame_size}, window,
                total / request.size());
}

Rate Peer::fetch(size_t piece, uint64_t total) {
  const RawConnection connection = connect();
  std::vector<std::byte> answer(piece + kAnswerRoom);
  Rate rate;
  Offset from{0};
  const auto start = Clock::now();
  while (rate.bytes < total) {
    connection.send(frame_of(fetch_request(piece, from), {}));
    const ByteView frame(answer.data(), connection.receive(frame_size, answer));
    const auto prefix = must(native::decode_prefix(frame, frame.size()));
    const auto batches = frame.last(prefix.payload_size);
    if (batches.empty()) {
      from = Offset(0);
      continue;
    }
    // All batches have one size: the last one's header is at the end.
    const auto first = must(record::decode_header(batches));
    from = must(record::decode_header(batches.last(first.size_in_bytes()))).next_offset();
    rate.bytes += batches.size();
    ++rate.operations;
  }
  rate.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return rate;
}

Latencies Peer::produce_one_by_one(size_t size, size_t connections, size_t count) {
  std::vector<RawConnection> open;
  for (size_t i = 0; i < connections; ++i) open.push_back(connect());
  const auto batch = batch_of_one(size);
  const auto request = frame_of(produce_request(batch.size()), batch);
  return ask(open, {.request = request, .whole = frame_size}, count);
}

Latencies Peer::produce_at_rate(size_t size, double rate, size_t count) {
  const auto batch = batch_of_one(size);
  const auto request = frame_of(produce_request(batch.size()), batch);
  const RawConnection connection = connect();
  std::vector<std::byte> answer(4096);
  return at_rate(rate, count, [&] {
    connection.send(request);
    check_produced(ByteView(answer).first(connection.receive(frame_size, answer)));
  });
}

Latencies Peer::produce_to_each(uint32_t partitions) {
  const auto batch = batch_of_one(100);
  const RawConnection connection = connect();
  std::vector<std::byte> answer(4096);
  Latencies latencies;
  for (uint32_t i = 0; i < partitions; ++i) {
    const auto request = frame_of(produce_request(batch.size(), static_cast<int32_t>(i)), batch);
    const auto start = Clock::now();
    connection.send(request);
    const size_t size = connection.receive(frame_size, answer);
    latencies.add(Clock::now() - start);
    check_produced(ByteView(answer).first(size));
  }
  return latencies;
}

}  // namespace sluice::bench
