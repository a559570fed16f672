#include "bench/load/peer.h"

#include <fstream>
#include <iostream>
#include <sstream>

#include <unistd.h>

#include "base/check.h"
#include "io/block_on.h"
#include "proto/native/framing.h"
#include "proto/record/builder.h"

namespace sluice::bench {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::cerr << "bench: " << result.error().message() << "\n";
    _exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::vector<std::byte> batch_of(size_t record_size, size_t batch_size, Timestamp now) {
  std::vector<std::byte> buffer(batch_size);
  record::BatchBuilder builder{MutableBytes(buffer)};
  const std::string value(record_size, 'v');
  while (builder.append(std::nullopt, as_bytes(value), {}, now)) {
  }
  const auto batch = builder.finish({});
  return {batch.begin(), batch.end()};
}

std::vector<std::byte> batch_of_one(size_t record_size, Timestamp now) {
  std::vector<std::byte> out(record::max_batch_size(0, record_size));
  record::BatchBuilder builder{MutableBytes(out)};
  const std::string value(record_size, 'v');
  CHECK(builder.append(std::nullopt, as_bytes(value), {}, now), "a batch takes its one record");
  const auto batch = builder.finish({});
  return {batch.begin(), batch.end()};
}

/// What an answer may have beside its payload.
constexpr size_t kAnswerRoom = 64 << 10;

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

Duration since(TimePoint start, const Clock& clock) { return clock.now() - start; }

}  // namespace

ProcessCpu cpu_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  // The second field is the name in parentheses, which may hold blanks.
  std::istringstream rest(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  long user = 0;
  long system = 0;
  rest >> user >> system;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  return {.user = static_cast<double>(user) / ticks, .system = static_cast<double>(system) / ticks};
}

Peer::Peer(const std::string& broker, const std::string& topic)
    : broker_(must(io::Endpoint::parse(broker))),
      system_({.workers = 1, .pool_threads = 1}),
      loop_(system_.runtime().executor.worker(0)),
      cluster_(system_.runtime(), loop_, {.brokers = {broker}, .client_id = "bench"}) {
  io::block_on(loop_, find(topic));
}

Peer::~Peer() { io::block_on(loop_, cluster_.shut_down()); }

io::Task<void> Peer::find(const std::string& topic) {
  const auto metadata = must(co_await cluster_.topic(topic, true));
  topic_id_ = metadata->id;
  leader_ = metadata->leaders.at(0).node;
}

native::RequestHeader Peer::produce_request(size_t bytes) const {
  native::RequestHeader header;
  auto& produce = *header.mutable_produce();
  produce.set_acks(1);
  produce.set_timeout_ms(30'000);
  auto& partition = *produce.add_partitions();
  partition.set_topic_id(topic_id_);
  partition.set_partition(0);
  partition.set_size(static_cast<uint32_t>(bytes));
  return header;
}

io::Task<void> Peer::fill_to(uint64_t bytes) {
  const auto batch = batch_of(100, 16_KiB, system_.runtime().clock.wall_now());
  const ByteView payload[] = {batch};
  auto connection = must(co_await cluster_.to(leader_));
  for (uint64_t sent = 0; sent < bytes; sent += batch.size()) {
    auto request = produce_request(batch.size());
    const auto answer = must(co_await connection->call(request, payload));
    CHECK(answer.header.produce().partitions(0).error().code() == 0, "the broker takes the fill");
  }
}

io::Task<void> Peer::produce_paced(size_t size, double rate, size_t count, Latencies& out) {
  auto connection = must(co_await cluster_.dedicated(leader_));
  const auto batch = batch_of_one(size, system_.runtime().clock.wall_now());
  const ByteView payload[] = {batch};
  auto request = produce_request(batch.size());
  const auto& clock = system_.runtime().clock;
  const auto step = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1 / rate));
  TimePoint due = clock.now();
  for (size_t i = 0; i < count; ++i, due += step) {
    if (clock.now() < due) co_await io::sleep_until(due);
    const TimePoint start = std::max(due, clock.now());
    const auto answer = must(co_await connection->call(request, payload));
    out.add(since(start, clock));
    CHECK(answer.header.produce().partitions(0).error().code() == 0, "the broker takes records");
  }
  co_await connection->shut_down();
}

void Peer::fill(uint64_t bytes) { io::block_on(loop_, fill_to(bytes)); }

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

RawConnection Peer::connect() const {
  RawConnection connection(broker_.host, broker_.port);
  connection.send(as_bytes(native::kMagic));
  native::RequestHeader request;
  request.mutable_hello()->set_min_version(native::kMinVersion);
  request.mutable_hello()->set_max_version(native::kMaxVersion);
  connection.send(frame_of(request, {}));
  std::vector<std::byte> answer(kAnswerRoom);
  connection.receive(frame_size, answer);
  return connection;
}

Rate Peer::fetch(size_t piece, uint64_t total) {
  const RawConnection connection = connect();
  std::vector<std::byte> answer(piece + kAnswerRoom);
  Rate rate;
  Offset from{0};
  const auto& clock = system_.runtime().clock;
  const TimePoint start = clock.now();
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
  rate.seconds = std::chrono::duration<double>(since(start, clock)).count();
  return rate;
}

Latencies Peer::produce_one_by_one(size_t size, size_t connections, size_t count) {
  std::vector<RawConnection> open;
  for (size_t i = 0; i < connections; ++i) open.push_back(connect());
  const auto batch = batch_of_one(size, system_.runtime().clock.wall_now());
  const auto request = frame_of(produce_request(batch.size()), batch);
  return ask(open, {.request = request, .whole = frame_size}, count);
}

Latencies Peer::produce_at_rate(size_t size, double rate, size_t count) {
  Latencies latencies;
  io::block_on(loop_, produce_paced(size, rate, count, latencies));
  return latencies;
}

}  // namespace sluice::bench
