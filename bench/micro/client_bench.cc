// The paths that every record of a client takes: send() up to the batch, and poll() from it.

#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "client/consumer/assignment.h"
#include "client/producer/accumulator.h"
#include "client/producer/partitioner.h"
#include "io/system.h"
#include "proto/record/builder.h"

namespace sluice::client {
namespace {

TopicMetadata topic_of(size_t partitions) {
  TopicMetadata topic;
  topic.name = "topic";
  topic.max_message_bytes = 1_MiB;
  topic.leaders.resize(partitions);
  return topic;
}

/// Records of 100 bytes into batches of 16 KiB, which are dropped when they are full.
void send_records(benchmark::State& state) {
  io::System system({.workers = 1, .pool_threads = 1});
  MemoryPool pool(1_MiB, 16_KiB);
  Accumulator accumulator(system.runtime(), pool, {.batch_size = 16_KiB, .delivery_timeout = 1h});
  const auto queues = accumulator.learn(topic_of(4));
  const std::string value(100, 'v');
  const OutgoingRecord record{
      .key = state.range(0) != 0 ? std::optional<std::string_view>("some-key") : std::nullopt,
      .value = value};
  std::optional<TimePoint> wake_at;
  int64_t unseen = 0;
  for (auto _ : state) {
    const auto attempt = accumulator.append("topic", record, nullptr, nullptr);
    if (!attempt || attempt->outcome != Accumulator::Outcome::appended) state.SkipWithError("full");
    if (++unseen < 1000) continue;
    unseen = 0;
    for (auto* queue : queues) {
      while (accumulator.take(*queue, false, 1h, &wake_at)) accumulator.finish(*queue);
    }
  }
  for (auto* queue : queues) accumulator.take(*queue, true, 0ns, &wake_at);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(send_records)->ArgName("keyed")->Arg(0)->Arg(1);

/// Records of 100 bytes out of a fetched mebibyte, 500 a poll.
void poll_records(benchmark::State& state) {
  std::vector<std::byte> batch(16_KiB);
  record::BatchBuilder builder{MutableBytes(batch)};
  const std::string value(100, 'v');
  while (builder.append(std::nullopt, as_bytes(value), {}, Timestamp(1))) {
  }
  const auto sealed = builder.finish({});
  ConsumerOptions options;
  options.check_crcs = state.range(0) != 0;
  Assignment assignment(options);
  const Partition name{"topic", PartitionId(0)};
  assignment.replace({{name, Offset(0)}});
  PartitionRef ref;
  assignment.for_each([&](const auto& partition) { ref.partition = partition; });
  Offset next{0};
  int64_t records = 0;
  for (auto _ : state) {
    auto got = assignment.take(500);
    if (got && !got->empty()) {
      records += static_cast<int64_t>(got->size());
      continue;
    }
    Payload payload(64 * sealed.size());
    for (size_t i = 0; i < 64; ++i) {
      const MutableBytes to = payload.bytes().subspan(i * sealed.size(), sealed.size());
      std::copy(sealed.begin(), sealed.end(), to.begin());
      record::stamp(to, next, LeaderEpoch(0));
      next = record::load_header(to.data()).next_offset();
    }
    auto owner = std::make_shared<FetchedPayload>(std::move(payload), assignment.memory());
    ref.version = ref.partition->version;
    assignment.add(ref, {owner, owner->bytes()});
  }
  state.SetItemsProcessed(records);
}
BENCHMARK(poll_records)->ArgName("crc")->Arg(0)->Arg(1);

void hash_key(benchmark::State& state) {
  const std::string key(static_cast<size_t>(state.range(0)), 'k');
  for (auto _ : state) benchmark::DoNotOptimize(partition_of_key(as_bytes(key), 12));
}
BENCHMARK(hash_key)->Arg(8)->Arg(36);

}  // namespace
}  // namespace sluice::client
