#include <algorithm>

#include <absl/container/inlined_vector.h>

#include "broker/native/api.h"
#include "broker/native/connection.h"
#include "broker/native/wire.h"
#include "proto/native/produce_codec.h"

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
Result<> decode_partitions(const native::ProduceHeader& request, MutableBytes payload,
                           Partitions& partitions) {
  partitions.reserve(request.partitions.size());
  for (const auto& from : request.partitions) {
    if (from.size > payload.size()) {
      return fail(Errc::malformed_frame, "the batches of the request are larger than its payload");
    }
    ASSIGN_OR_RETURN(const auto topic, decode_topic_id(as_text(from.topic_id)));
    auto& to = partitions.emplace_back();
    to.topic_id = topic;
    to.partition = PartitionId{from.partition};
    if (from.leader_epoch) to.leader_epoch = LeaderEpoch{*from.leader_epoch};
    to.batch = payload.first(from.size);
    payload = payload.subspan(from.size);
  }
  if (!payload.empty()) {
    return fail(Errc::malformed_frame, "the payload is larger than the batches of the request");
  }
  return {};
}

Error refused_by_pressure(const MemoryBudget& memory) {
  return Error(Errc::pressure, "the broker uses " + std::to_string(memory.used()) + " of " +
                                   std::to_string(memory.cap()) +
                                   " bytes; try again, or raise its memory limit");
}

native::ProduceAnswer::Partition encode_result(const ProduceResult& result) {
  native::ProduceAnswer::Partition to;
  if (result.error) {
    to.error_code = static_cast<uint32_t>(result.error->code());
    if (result.error->has_detail()) to.error_message = result.error->message();
  }
  to.base_offset = result.base_offset.value();
  to.log_start = result.log_start.value();
  if (result.log_append_time != kNoTimestamp) to.log_append_time = result.log_append_time.value();
  to.receipt_level = static_cast<uint32_t>(result.receipt.level);
  to.receipt_replicas = result.receipt.replicas;
  to.receipt_synced_replicas = result.receipt.synced_replicas;
  to.duplicate = result.duplicate;
  if (result.leadership) {
    to.leader = result.leadership->leader.value();
    to.leader_epoch = result.leadership->epoch.value();
  }
  return to;
}

// The levels are cast to the wire.
static_assert(static_cast<int>(Receipt::Level::none) == native::Receipt::NONE);
static_assert(static_cast<int>(Receipt::Level::written) == native::Receipt::WRITTEN);
static_assert(static_cast<int>(Receipt::Level::synced) == native::Receipt::SYNCED);

Result<> encode_answer(uint64_t correlation_id, const Results& results, BufferPool& buffers,
                       Exchange& exchange) {
  absl::InlinedVector<native::ProduceAnswer::Partition, 2> partitions;
  for (const auto& result : results) partitions.push_back(encode_result(result));
  const native::ProduceAnswer answer{.correlation_id = correlation_id,
                                     .throttle_ms = throttle_ms(exchange),
                                     .partitions = {partitions.data(), partitions.size()}};
  const size_t size = native::encoded_size(answer);
  ASSIGN_OR_RETURN(const MutableBytes room,
                   exchange.response.make_room(native::kPrefixSize + size, buffers));
  native::encode_prefix({.header_size = static_cast<uint32_t>(size)}, room);
  native::encode(answer, room.subspan(native::kPrefixSize));
  return {};
}

/// The request failed before anything was appended.
void refuse_produce(NativeConnection& connection, Exchange& exchange,
                    const native::ProduceHeader& request, const Error& why) {
  // What does not decode ends the connection, and so does what nobody is told of.
  if (why.code() == Errc::malformed_frame) {
    connection.reject(exchange, request.correlation_id, why);
  } else if (request.acks == 0) {
    exchange.response.close_after = true;
  } else {
    connection.answer_error(exchange, request.correlation_id, why);
  }
}

}  // namespace

io::Task<void> answer_produce(NativeConnection& connection, Exchange& exchange, ByteView header,
                              MutableBytes payload) {
  exchange.api = api_index(native::RequestHeader::kProduce);
  const auto pressure = connection.worker().pressure();
  exchange.delay = pressure.produce_delay;
  if (pressure.produce_delay > Duration{0}) connection.worker().count_delayed(true);
  native::ProduceHeader request;
  Partitions partitions;
  auto decoded = native::decode_produce(header, kMaxEntries, request);
  if (decoded) decoded = decode_partitions(request, payload, partitions);
  const auto acks = decode_acks(request.acks);
  if (decoded && !acks) decoded = fail(acks.error());
  if (decoded && pressure.refuse_produce) {
    decoded = fail(refused_by_pressure(connection.worker().context().memory));
    connection.worker().count_refused();
  }
  if (!decoded) {
    refuse_produce(connection, exchange, request, decoded.error());
    co_return;
  }

  Results results(partitions.size());
  const ProduceCall call{
      .principal = connection.principal(),
      .acks = *acks,
      .timeout = std::min<Duration>(std::chrono::milliseconds(request.timeout_ms), kLongestWait),
      .arrived = exchange.arrived,
      .partitions = {partitions.data(), partitions.size()},
      .results = {results.data(), results.size()}};
  auto& service = connection.services().produce;
  co_await service.append(call);
  exchange.release_order();
  exchange.times.stored = exchange.times.ordered;
  if (header.size() <= kForgottenBytes) exchange.release_frame();
  co_await service.wait(call);
  if (*acks == Acks::none) {
    const auto failed = [](const ProduceResult& result) { return result.error.has_value(); };
    exchange.response.close_after = std::ranges::any_of(results, failed);
    co_return;
  }
  auto& buffers = connection.worker().buffers(exchange.traffic);
  auto encoded = encode_answer(request.correlation_id, results, buffers, exchange);
  if (!encoded) connection.reject(exchange, request.correlation_id, encoded.error());
}

}  // namespace sluice::broker
