#include "bench/load/peer.h"

#include <fstream>
#include <iostream>
#include <sstream>

#include <unistd.h>

#include "base/check.h"
#include "io/block_on.h"
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
    : system_({.workers = 1, .pool_threads = 1}),
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

io::Task<void> Peer::fetch_loop(size_t piece, uint64_t total, Rate& rate) {
  auto connection = must(co_await cluster_.dedicated(leader_));
  Offset from{0};
  while (rate.bytes < total) {
    native::RequestHeader header;
    auto& fetch = *header.mutable_fetch();
    fetch.set_min_bytes(1);
    fetch.set_max_bytes(static_cast<uint32_t>(piece));
    auto& partition = *fetch.add_partitions();
    partition.set_topic_id(topic_id_);
    partition.set_partition(0);
    partition.set_offset(from.value());
    partition.set_max_bytes(static_cast<uint32_t>(piece));
    auto answer = must(co_await connection->call(header));
    const auto bytes = answer.payload.bytes();
    if (answer.header.fetch().partitions_size() == 0 || bytes.empty()) {
      from = Offset(0);
      continue;
    }
    // All batches have one size: the last one's header is at the end.
    const auto first = must(record::decode_header(bytes));
    const auto last =
        must(record::decode_header(bytes.subspan(bytes.size() - first.size_in_bytes())));
    from = answer.header.fetch().partitions(0).high_watermark() == last.next_offset().value()
               ? Offset(0)
               : last.next_offset();
    rate.bytes += bytes.size();
    ++rate.operations;
    connection->recycle(std::move(answer.payload));
  }
  co_await connection->shut_down();
}

io::Task<void> Peer::produce_loop(size_t size, size_t count, Latencies& out) {
  auto connection = must(co_await cluster_.dedicated(leader_));
  const auto batch = batch_of_one(size, system_.runtime().clock.wall_now());
  const ByteView payload[] = {batch};
  auto request = produce_request(batch.size());
  const auto& clock = system_.runtime().clock;
  while (out.count() < count) {
    const TimePoint start = clock.now();
    const auto answer = must(co_await connection->call(request, payload));
    out.add(since(start, clock));
    CHECK(answer.header.produce().partitions(0).error().code() == 0, "the broker takes records");
  }
  co_await connection->shut_down();
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

io::Task<void> Peer::all(std::vector<io::Task<void>> tasks) {
  io::Scope scope;
  for (auto& task : tasks) scope.start(std::move(task));
  co_await scope.join();
}

void Peer::fill(uint64_t bytes) { io::block_on(loop_, fill_to(bytes)); }

Rate Peer::fetch(size_t piece, size_t pipeline, uint64_t total) {
  Rate rate;
  const TimePoint start = system_.runtime().clock.now();
  std::vector<io::Task<void>> tasks;
  for (size_t i = 0; i < pipeline; ++i) tasks.push_back(fetch_loop(piece, total, rate));
  io::block_on(loop_, all(std::move(tasks)));
  rate.seconds = std::chrono::duration<double>(since(start, system_.runtime().clock)).count();
  return rate;
}

Latencies Peer::produce_one_by_one(size_t size, size_t connections, size_t count) {
  Latencies latencies;
  std::vector<io::Task<void>> tasks;
  for (size_t i = 0; i < connections; ++i) tasks.push_back(produce_loop(size, count, latencies));
  io::block_on(loop_, all(std::move(tasks)));
  return latencies;
}

Latencies Peer::produce_at_rate(size_t size, double rate, size_t count) {
  Latencies latencies;
  io::block_on(loop_, produce_paced(size, rate, count, latencies));
  return latencies;
}

}  // namespace sluice::bench
