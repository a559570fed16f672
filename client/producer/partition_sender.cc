#include "client/producer/partition_sender.h"

#include <algorithm>
#include <utility>

namespace sluice::client {
namespace {

Delivery::Level level_of(native::Receipt::Level level) {
  switch (level) {
    case native::Receipt::WRITTEN:
      return Delivery::Level::written;
    case native::Receipt::SYNCED:
      return Delivery::Level::synced;
    default:
      return Delivery::Level::none;
  }
}

int32_t sequence_after(int32_t base, int32_t records) {
  return static_cast<int32_t>((static_cast<uint32_t>(base) + static_cast<uint32_t>(records)) &
                              0x7fffffffu);
}

}  // namespace

void ProducerCounters::failed(const Batch& batch, const Error& why) {
  records_failed.fetch_add(static_cast<uint64_t>(batch.records), std::memory_order_relaxed);
  const std::lock_guard lock(mutex);
  if (!first_failure && static_cast<size_t>(batch.records) > batch.deliveries.size()) {
    first_failure = why;
  }
}

PartitionSender::PartitionSender(SenderPorts ports, std::string topic, PartitionQueue& queue)
    : ports_(ports), topic_(std::move(topic)), queue_(queue) {}

void PartitionSender::stop(Error why) {
  stopped_ = std::move(why);
  // Ends the requests under way; the connection is shared, its other users reconnect.
  if (in_flight_ > 0) connection_->close(*stopped_);
  queue_.work.notify_all();
}

io::Task<void> PartitionSender::run() {
  while (true) {
    const uint64_t ticket = queue_.work.ticket();
    wake_at_.reset();
    settle();
    if (stopped_ && window_.empty()) {
      while (auto batch = ports_.accumulator.take(queue_, true, Duration(0), &wake_at_)) {
        batch->records = batch->builder.record_count();
        batch->outcome.emplace(fail(*stopped_));
        complete(*batch);
        ports_.accumulator.finish(queue_);
      }
      break;
    }
    if (retrying_) {
      if (in_flight_ == 0) {
        co_await retry();
        continue;
      }
    } else if (co_await send_more()) {
      continue;
    }
    co_await queue_.work.wait(ticket, wake_at_);
  }
  co_await scope_.join();
}

io::Task<bool> PartitionSender::send_more() {
  const size_t limit = std::max<size_t>(1, ports_.options.max_in_flight);
  bool sent = false;
  while (!stopped_ && !retrying_ && in_flight_ < limit) {
    auto batch = ports_.accumulator.take(queue_, in_flight_ == 0, ports_.options.linger, &wake_at_);
    if (!batch) break;
    batch->records = batch->builder.record_count();
    window_.push_back(std::move(batch));
    sent = true;
    if (!connection_ || connection_->closed() ||
        (idempotent() && (renew_identity_ || identity_.id == kNoProducerId))) {
      // The retry path finds leader and identity, with its pauses and deadlines.
      retrying_ = true;
      break;
    }
    if (auto sealed = seal(*window_.back()); !sealed) {
      window_.back()->outcome.emplace(fail(std::move(sealed).error()));
      break;
    }
    launch(*window_.back());
  }
  co_return sent;
}

Result<> PartitionSender::seal(Batch& batch) {
  record::BatchSpec spec;
  spec.codec = static_cast<record::Codec>(ports_.options.compression);
  spec.leader_epoch = LeaderEpoch(-1);
  if (idempotent()) {
    spec.producer_id = identity_.id;
    spec.producer_epoch = identity_.epoch;
    spec.base_sequence = batch.base_sequence = next_sequence_;
    next_sequence_ = sequence_after(next_sequence_, batch.records);
  }
  ASSIGN_OR_RETURN(batch.bytes, batch.builder.finish(spec, compressor_, scratch_));
  return {};
}

void PartitionSender::launch(Batch& batch) {
  batch.in_flight = true;
  batch.outcome.reset();
  ++in_flight_;
  ports_.counters.batches_sent.fetch_add(1, std::memory_order_relaxed);
  ports_.counters.bytes_sent.fetch_add(batch.bytes.size(), std::memory_order_relaxed);
  scope_.start(deliver(batch, connection_));
}

io::Task<void> PartitionSender::deliver(Batch& batch, std::shared_ptr<Connection> connection) {
  auto outcome = co_await ask(batch, *connection);
  batch.outcome.emplace(std::move(outcome));
  batch.in_flight = false;
  --in_flight_;
  queue_.work.notify_all();
}

io::Task<Result<BatchOutcome>> PartitionSender::ask(Batch& batch, Connection& connection) {
  native::RequestHeader request;
  auto& produce = *request.mutable_produce();
  const Duration left = batch.deadline - ports_.cluster.loop().now();
  const Duration limit = std::min<Duration>(left, ports_.cluster.options().request_timeout);
  produce.set_acks(static_cast<int32_t>(ports_.options.acks));
  produce.set_timeout_ms(
      static_cast<uint32_t>(std::max<int64_t>(1, limit / std::chrono::milliseconds(1))));
  auto& partition = *produce.add_partitions();
  partition.set_topic_id(metadata_->id);
  partition.set_partition(queue_.id.value());
  partition.set_leader_epoch(leader_epoch_.value());
  partition.set_size(static_cast<uint32_t>(batch.bytes.size()));
  const ByteView payload[] = {batch.bytes};
  if (ports_.options.acks == Acks::none) {
    auto sent = co_await connection.send_only(request, payload);
    if (!sent) co_return fail(std::move(sent).error());
    co_return BatchOutcome{};
  }
  auto answer = co_await connection.call(request, payload, limit);
  if (!answer) co_return fail(std::move(answer).error());
  if (answer->header.produce().partitions_size() != 1) {
    co_return fail(Errc::malformed_frame, "a produce of one partition was answered for another");
  }
  const auto& said = answer->header.produce().partitions(0);
  if (said.error().code() != 0) {
    co_return fail(
        errc_from_wire(said.error().code()),
        topic_ + "-" + std::to_string(queue_.id.value()) + ": " + said.error().message());
  }
  BatchOutcome outcome{.base_offset = Offset(said.base_offset()),
                       .level = level_of(said.receipt().level()),
                       .replicas = said.receipt().replicas(),
                       .synced_replicas = said.receipt().synced_replicas()};
  if (said.has_log_append_time()) outcome.log_append_time = Timestamp(said.log_append_time());
  co_return outcome;
}

void PartitionSender::settle() {
  while (!window_.empty() && !window_.front()->in_flight) {
    Batch& batch = *window_.front();
    if (!batch.outcome && !stopped_) break;
    if (stopped_ && (!batch.outcome || !*batch.outcome)) batch.outcome.emplace(fail(*stopped_));
    if (!*batch.outcome && batch.outcome->error().retriable() && !stopped_) {
      retrying_ = true;
      attempt_ = std::max(attempt_, 1u);
      break;
    }
    if (*batch.outcome) attempt_ = 0;
    // Refused for good: the broker expects this batch's sequence still, and never gets it.
    if (!*batch.outcome && idempotent()) renew_identity_ = retrying_ = true;
    complete(batch);
    window_.pop_front();
    ports_.accumulator.finish(queue_);
  }
  // Nothing overtakes a failed batch: the rest of the window is sent again behind it.
  if (retrying_ && window_.empty() && !renew_identity_) retrying_ = false;
}

void PartitionSender::complete(Batch& batch) {
  const auto& outcome = *batch.outcome;
  if (outcome) {
    ports_.counters.records_acked.fetch_add(static_cast<uint64_t>(batch.records),
                                            std::memory_order_relaxed);
  } else {
    ports_.counters.failed(batch, outcome.error());
  }
  for (auto& pending : batch.deliveries) {
    if (!outcome) {
      pending.done(fail(outcome.error()));
      continue;
    }
    const bool known = outcome->base_offset.value() >= 0;
    pending.done(Delivery{.partition = queue_.id,
                          .offset = known ? outcome->base_offset + pending.index : Offset(-1),
                          .timestamp = outcome->log_append_time.value_or(pending.timestamp),
                          .durability = outcome->level,
                          .replicas = outcome->replicas,
                          .synced_replicas = outcome->synced_replicas});
  }
}

io::Task<Result<>> PartitionSender::find_leader(bool fresh) {
  auto topic = co_await ports_.cluster.topic(topic_, fresh);
  if (!topic) co_return fail(std::move(topic).error());
  const auto at = static_cast<size_t>(queue_.id.value());
  if (at >= (*topic)->leaders.size()) {
    co_return fail(Errc::unknown_topic_or_partition,
                   topic_ + " has lost partition " + std::to_string(queue_.id.value()));
  }
  metadata_ = *topic;
  leader_epoch_ = metadata_->leaders[at].epoch;
  auto connection = co_await ports_.cluster.to(metadata_->leaders[at].node);
  if (!connection) co_return fail(std::move(connection).error());
  connection_ = *connection;
  if (idempotent() && (renew_identity_ || identity_.id == kNoProducerId)) {
    auto identity = co_await (renew_identity_ ? ports_.identity.fresh() : ports_.identity.get());
    if (!identity) co_return fail(std::move(identity).error());
    identity_ = *identity;
    next_sequence_ = 0;
    renew_identity_ = false;
    // Batches sealed under the old identity get numbers of the new one.
    for (auto& batch : window_) {
      if (batch->bytes.empty() || (batch->outcome && *batch->outcome)) continue;
      batch->base_sequence = next_sequence_;
      next_sequence_ = sequence_after(next_sequence_, batch->records);
      record::stamp_producer(batch->bytes, identity_.id, identity_.epoch, batch->base_sequence);
    }
  }
  co_return Result<>{};
}

/// With nothing in flight: finds the leader again and sends what has no success, in order.
io::Task<void> PartitionSender::retry() {
  const TimePoint now = ports_.cluster.loop().now();
  while (!window_.empty() && window_.front()->deadline <= now) {
    Batch& batch = *window_.front();
    const std::string last = batch.outcome && !*batch.outcome
                                 ? std::string(batch.outcome->error().message())
                                 : std::string("no leader was reached");
    batch.outcome.emplace(fail(Errc::timed_out, topic_ + "-" + std::to_string(queue_.id.value()) +
                                                    ": not delivered within delivery.timeout.ms; "
                                                    "the last error was: " +
                                                    last));
    if (idempotent() && !batch.bytes.empty()) renew_identity_ = true;
    complete(batch);
    window_.pop_front();
    ports_.accumulator.finish(queue_);
  }
  if (attempt_ > 0) {
    ports_.counters.retries.fetch_add(1, std::memory_order_relaxed);
    co_await io::sleep_until(now + ports_.cluster.backoff(attempt_));
  }
  if (stopped_) co_return;
  auto found = co_await find_leader(attempt_ > 0);
  ++attempt_;
  if (!found) {
    for (auto& batch : window_) {
      if (!batch->outcome || !*batch->outcome) batch->outcome.emplace(fail(found.error()));
    }
    co_return;
  }
  retrying_ = false;
  for (auto& batch : window_) {
    if (batch->outcome && *batch->outcome) continue;
    if (batch->bytes.empty()) {
      if (auto sealed = seal(*batch); !sealed) {
        batch->outcome.emplace(fail(std::move(sealed).error()));
        continue;
      }
    }
    launch(*batch);
  }
}

}  // namespace sluice::client
