#include <algorithm>

#include <absl/container/inlined_vector.h>

#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {
namespace {

constexpr Duration kLongestWait = std::chrono::minutes(5);

using Partitions = absl::InlinedVector<ProducePartition, 2>;
using Results = absl::InlinedVector<ProduceResult, 2>;

Result<Acks> decode_acks(int32_t acks) {
  if (acks >= -1 && acks <= 1) return static_cast<Acks>(acks);
  return fail(Errc::invalid_argument, "acks is " + std::to_string(acks) +
                                          "; it is 0 (none), 1 (leader) or -1 (all in sync)");
}

/// Cuts the payload into the partitions' batches.
Result<Partitions> decode_partitions(const native::ProduceRequest& request, MutableBytes payload) {
  Partitions partitions;
  partitions.reserve(static_cast<size_t>(request.partitions_size()));
  for (const auto& partition : request.partitions()) {
    if (partition.size() > payload.size()) {
      return fail(Errc::malformed_frame, "the batches of the request are larger than its payload");
    }
    ASSIGN_OR_RETURN(const auto topic, decode_topic_id(partition.topic_id()));
    ProducePartition target{.topic_id = topic,
                            .partition = PartitionId{partition.partition()},
                            .leader_epoch = std::nullopt,
                            .batch = payload.first(partition.size())};
    if (partition.has_leader_epoch()) target.leader_epoch = LeaderEpoch{partition.leader_epoch()};
    partitions.push_back(target);
    payload = payload.subspan(partition.size());
  }
  if (!payload.empty()) {
    return fail(Errc::malformed_frame, "the payload is larger than the batches of the request");
  }
  return partitions;
}

native::Receipt::Level encode_level(Receipt::Level level) {
  switch (level) {
    case Receipt::Level::none:
      return native::Receipt::NONE;
    case Receipt::Level::written:
      return native::Receipt::WRITTEN;
    case Receipt::Level::synced:
      return native::Receipt::SYNCED;
  }
}

void put_result(const ProduceResult& result, native::ProduceResponse::Partition& to) {
  if (result.error) put_error(*to.mutable_error(), *result.error);
  to.set_base_offset(result.base_offset.value());
  to.set_log_start(result.log_start.value());
  if (result.log_append_time != kNoTimestamp) {
    to.set_log_append_time(result.log_append_time.value());
  }
  to.set_duplicate(result.duplicate);
  if (result.leadership) {
    to.set_leader(result.leadership->leader.value());
    to.set_leader_epoch(result.leadership->epoch.value());
  }
  auto& receipt = *to.mutable_receipt();
  receipt.set_level(encode_level(result.receipt.level));
  receipt.set_replicas(result.receipt.replicas);
  receipt.set_synced_replicas(result.receipt.synced_replicas);
}

Error refused_by_pressure(const MemoryBudget& memory) {
  return Error(Errc::pressure, "the broker uses " + std::to_string(memory.used()) + " of " +
                                   std::to_string(memory.cap()) +
                                   " bytes; try again, or raise its memory limit");
}

}  // namespace

io::Task<Result<>> answer_produce(NativeCall& call) {
  auto& connection = call.connection;
  const auto& request = call.request.produce();
  CO_ASSIGN_OR_RETURN(const Acks acks, decode_acks(request.acks()));
  CO_ASSIGN_OR_RETURN(const auto partitions, decode_partitions(request, call.payload));
  const auto pressure = connection.worker().pressure();
  call.exchange.delay = pressure.produce_delay;
  if (pressure.refuse_produce) {
    co_return fail(refused_by_pressure(connection.worker().context().memory));
  }
  Results results(partitions.size());
  const ProduceCall produce{
      .principal = connection.principal(),
      .acks = acks,
      .timeout = std::min<Duration>(std::chrono::milliseconds(request.timeout_ms()), kLongestWait),
      .arrived = call.exchange.arrived,
      .partitions = partitions,
      .results = {results.data(), results.size()}};
  auto& service = connection.services().produce;
  co_await service.append(produce);
  call.exchange.release_order();
  call.exchange.release_frame();
  co_await service.wait(produce);
  if (acks == Acks::none) {
    const auto failed = [](const ProduceResult& result) { return result.error.has_value(); };
    call.exchange.response.close_after = std::ranges::any_of(results, failed);
    co_return Result<>{};
  }
  auto& answer = *call.response.mutable_produce();
  for (const auto& result : results) put_result(result, *answer.add_partitions());
  co_return Result<>{};
}

}  // namespace sluice::broker
