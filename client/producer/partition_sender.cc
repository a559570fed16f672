#include "client/producer/partition_sender.h"

#include <algorithm>
#include <utility>

namespace sluice::client {
namespace {

/// About what a cluster takes to replace a leader.
constexpr Duration kSuspectAfter = 1s;

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

/// What a leader says, or no longer says, when another one takes over.
bool gives_way(Errc code) {
  return leader_moved(code) || code == Errc::outcome_unknown || code == Errc::shutting_down ||
         code == Errc::connection_closed || code == Errc::connection_failed ||
         code == Errc::connection_refused;
}

bool succeeded(const Batch& batch) { return batch.outcome && *batch.outcome; }

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

std::string PartitionSender::label() const {
  return topic_ + "-" + std::to_string(queue_.id.value());
}

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
    if (!stalled()) send_more();
    if (stopped_ && window_.empty()) break;
    if (stalled()) recover();
    if (in_flight_ > 0) suspect();
    co_await queue_.work.wait(ticket, wake_at_);
  }
  std::optional<TimePoint> unused;
  while (auto batch = ports_.accumulator.take(queue_, true, Duration(0), &unused)) {
    batch->records = batch->builder.record_count();
    batch->outcome.emplace(fail(*stopped_));
    complete(*batch);
    ports_.accumulator.finish(queue_);
  }
  co_await scope_.join();
}

void PartitionSender::settle() {
  while (stalled()) {
    Batch& batch = *window_.front();
    if (batch.outcome && !*batch.outcome && !stopped_) judge(batch);
    if (!batch.outcome) {
      if (stopped_) {
        batch.outcome.emplace(fail(*stopped_));
      } else if (batch.deadline <= now()) {
        give_up(batch);
      } else {
        break;
      }
    }
    if (*batch.outcome) failures_ = 0;
    complete(batch);
    window_.pop_front();
    ports_.accumulator.finish(queue_);
  }
}

void PartitionSender::judge(Batch& batch) {
  const Error& why = batch.outcome->error();
  const bool gap =
      idempotent() && (why == Errc::out_of_order_sequence || why == Errc::unknown_producer);
  if (!gap && !why.retriable()) return;
  renew_identity_ |= gap;
  failed(why);
  batch.outcome.reset();
}

void PartitionSender::failed(Error why) {
  last_failure_ = std::move(why);
  ++failures_;
  // A gap was to be expected once something was given up: the first time costs no pause.
  const bool at_once = renew_identity_ && failures_ == 1;
  const bool looks = gives_way(last_failure_->code());
  resume_at_ = now();
  if (!at_once) {
    resume_at_ +=
        looks ? ports_.cluster.pause_before_looking(failures_) : ports_.cluster.backoff(failures_);
  }
}

void PartitionSender::give_up(Batch& batch) {
  std::string why = label() + ": not delivered within delivery.timeout.ms";
  if (last_failure_) {
    why += "; the last error was: ";
    why += last_failure_->message();
  }
  batch.outcome.emplace(fail(Errc::timed_out, std::move(why)));
}

bool PartitionSender::ready() const {
  return connection_ && !connection_->closed() &&
         (!idempotent() || (identity_.id != kNoProducerId && !renew_identity_));
}

void PartitionSender::send_more() {
  // The whole window counts, not what is in flight of it: a broker knows a batch again among the
  // last five, and those behind the front may be done.
  while (!stopped_ && !finding_ && window_.size() < ports_.options.max_in_flight && !stalled() &&
         (window_.empty() || ready())) {
    auto taken = ports_.accumulator.take(queue_, in_flight_ == 0, ports_.options.linger, &wake_at_);
    if (!taken) return;
    Batch& batch = *window_.emplace_back(std::move(taken));
    batch.records = batch.builder.record_count();
    if (batch.deadline <= now()) {
      give_up(batch);
    } else if (ready()) {
      if (auto sealed = seal(batch); sealed) {
        launch(batch);
      } else {
        batch.outcome.emplace(fail(std::move(sealed).error()));
      }
    }
    settle();
  }
}

Result<> PartitionSender::seal(Batch& batch) {
  record::BatchSpec spec;
  spec.codec = static_cast<record::Codec>(ports_.options.compression);
  spec.leader_epoch = LeaderEpoch(-1);
  if (idempotent()) {
    spec.producer_id = identity_.id;
    spec.producer_epoch = identity_.epoch;
    spec.base_sequence = next_sequence_;
  }
  ASSIGN_OR_RETURN(batch.bytes, batch.builder.finish(spec, compressor_, scratch_));
  if (idempotent()) next_sequence_ = sequence_after(next_sequence_, batch.records);
  return {};
}

void PartitionSender::launch(Batch& batch) {
  batch.in_flight = true;
  batch.outcome.reset();
  if (in_flight_++ == 0) silent_since_ = now();
  ports_.counters.batches_sent.fetch_add(1, std::memory_order_relaxed);
  ports_.counters.bytes_sent.fetch_add(batch.bytes.size(), std::memory_order_relaxed);
  scope_.start(deliver(batch, connection_));
}

io::Task<void> PartitionSender::deliver(Batch& batch, std::shared_ptr<Connection> connection) {
  auto outcome = co_await ask(batch, *connection);
  batch.outcome.emplace(std::move(outcome));
  batch.in_flight = false;
  --in_flight_;
  silent_since_ = now();
  queue_.work.notify_all();
}

io::Task<Result<BatchOutcome>> PartitionSender::ask(Batch& batch, Connection& connection) {
  native::RequestHeader request;
  auto& produce = *request.mutable_produce();
  const Duration left = batch.deadline - ports_.cluster.loop().now();
  const Duration limit = std::min<Duration>(left, ports_.cluster.options().request_timeout);
  produce.set_acks(static_cast<int32_t>(ports_.options.acks));
  // A little before the call ends, so that the broker's word on it arrives.
  produce.set_timeout_ms(
      static_cast<uint32_t>(std::max<int64_t>(1, limit * 7 / 8 / std::chrono::milliseconds(1))));
  auto& partition = *produce.add_partitions();
  partition.set_topic_id(metadata_->id);
  partition.set_partition(queue_.id.value());
  partition.set_leader_epoch(leader_epoch_.value());
  partition.set_size(static_cast<uint32_t>(batch.bytes.size()));
  const ByteView payload[] = {batch.bytes};
  if (ports_.options.acks == Acks::none) {
    auto sent = co_await connection.send_only(request, payload, limit);
    if (!sent) co_return fail(std::move(sent).error());
    co_return BatchOutcome{};
  }
  auto answer = co_await connection.call(request, payload, limit);
  if (!answer) co_return fail(std::move(answer).error());
  if (answer->header.produce().partitions_size() != 1) {
    co_return fail(Errc::malformed_frame, label() + ": the answer to produce names no partition");
  }
  const auto& said = answer->header.produce().partitions(0);
  if (said.error().code() != 0) {
    const Errc code = errc_from_wire(said.error().code());
    const auto& message = said.error().message();
    co_return fail((message.empty() ? Error(code) : Error(code, message)).with_context(label()));
  }
  BatchOutcome outcome{.base_offset = Offset(said.base_offset()),
                       .level = level_of(said.receipt().level()),
                       .replicas = said.receipt().replicas(),
                       .synced_replicas = said.receipt().synced_replicas()};
  if (said.has_log_append_time()) outcome.log_append_time = Timestamp(said.log_append_time());
  co_return outcome;
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

/// The front waits to be sent: when nothing is under way any more and the pause is over, finds out
/// where and under which identity.
void PartitionSender::recover() {
  if (in_flight_ > 0) return;
  const TimePoint deadline = window_.front()->deadline;
  if (finding_) {
    wake_at_ = deadline;
  } else if (now() < resume_at_) {
    wake_at_ = std::min(resume_at_, deadline);
  } else {
    finding_ = true;
    wake_at_ = deadline;
    scope_.start(find());
  }
}

void PartitionSender::suspect() {
  if (looking_ || stopped_) return;
  const TimePoint due = silent_since_ + kSuspectAfter;
  if (now() < due) {
    wake_at_ = wake_at_ ? std::min(*wake_at_, due) : due;
    return;
  }
  looking_ = true;
  scope_.start(look_for_another_leader());
}

io::Task<void> PartitionSender::look_for_another_leader() {
  const LeaderEpoch silent = leader_epoch_;
  const auto at = static_cast<size_t>(queue_.id.value());
  ports_.cluster.distrust(metadata_->leaders[at].node);
  auto topic = co_await ports_.cluster.topic(topic_, true);
  looking_ = false;
  silent_since_ = now();
  if (topic && at < (*topic)->leaders.size() && (*topic)->leaders[at].epoch > silent &&
      leader_epoch_ == silent && in_flight_ > 0) {
    // Its other users have as little to expect from it.
    connection_->close(
        Error(Errc::connection_closed, label() + ": the broker does not answer and leads no more"));
  }
  queue_.work.notify_all();
}

io::Task<void> PartitionSender::find() {
  auto found = co_await find_leader();
  finding_ = false;
  if (found) {
    if (!stopped_) send_again();
  } else if (found.error().retriable()) {
    failed(std::move(found).error());
  } else {
    for (auto& batch : window_) {
      if (!succeeded(*batch)) batch->outcome.emplace(fail(found.error()));
    }
  }
  queue_.work.notify_all();
}

io::Task<Result<>> PartitionSender::find_leader() {
  auto topic = co_await ports_.cluster.topic(topic_, failures_ > 0);
  if (!topic) co_return fail(std::move(topic).error());
  const auto at = static_cast<size_t>(queue_.id.value());
  if (at >= (*topic)->leaders.size()) {
    co_return fail(Errc::unknown_topic_or_partition, label() + " is gone");
  }
  metadata_ = *topic;
  leader_epoch_ = metadata_->leaders[at].epoch;
  auto connection = co_await ports_.cluster.to(metadata_->leaders[at].node);
  if (!connection) co_return fail(std::move(connection).error());
  connection_ = *connection;
  if (idempotent() && (renew_identity_ || identity_.id == kNoProducerId)) {
    auto identity = co_await (renew_identity_ ? ports_.identity.fresh() : ports_.identity.get());
    if (!identity) co_return fail(std::move(identity).error());
    renew(*identity);
  }
  co_return Result<>{};
}

/// From here on the sequence begins anew; what was sealed under the old identity gets numbers of
/// the new one.
void PartitionSender::renew(ProducerIdentity identity) {
  identity_ = identity;
  next_sequence_ = 0;
  renew_identity_ = false;
  for (auto& batch : window_) {
    if (batch->bytes.empty() || succeeded(*batch)) continue;
    record::stamp_producer(batch->bytes, identity_.id, identity_.epoch, next_sequence_);
    next_sequence_ = sequence_after(next_sequence_, batch->records);
  }
}

/// All that have no success, in order.
void PartitionSender::send_again() {
  for (auto& batch : window_) {
    if (succeeded(*batch)) continue;
    if (batch->bytes.empty()) {
      if (auto sealed = seal(*batch); !sealed) {
        batch->outcome.emplace(fail(std::move(sealed).error()));
        continue;
      }
    } else {
      ports_.counters.retries.fetch_add(1, std::memory_order_relaxed);
    }
    launch(*batch);
  }
}

}  // namespace sluice::client
