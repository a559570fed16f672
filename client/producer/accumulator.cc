#include "client/producer/accumulator.h"

#include <algorithm>

#include "client/producer/partitioner.h"

namespace sluice::client {
namespace {

std::optional<ByteView> bytes_of(const std::optional<std::string_view>& text) {
  if (!text) return std::nullopt;
  return as_bytes(*text);
}

/// The headers in the codec's form, on the stack for as many as records usually have.
class Headers {
 public:
  explicit Headers(std::span<const Header> headers) {
    if (headers.size() > few_.size()) many_.resize(headers.size());
    const std::span<record::HeaderView> out = many_.empty() ? few_ : std::span(many_);
    for (size_t i = 0; i < headers.size(); ++i) {
      out[i] = {.key = headers[i].key, .value = bytes_of(headers[i].value)};
    }
    view_ = out.first(headers.size());
  }
  std::span<const record::HeaderView> view() const { return view_; }

 private:
  std::array<record::HeaderView, 8> few_;
  std::vector<record::HeaderView> many_;
  std::span<const record::HeaderView> view_;
};

}  // namespace

Accumulator::Topic* Accumulator::find(std::string_view name) {
  if (last_topic_ != nullptr && last_topic_->name == name) return last_topic_;
  const auto found = topics_.find(absl::string_view(name.data(), name.size()));
  if (found == topics_.end()) return nullptr;
  return last_topic_ = found->second.get();
}

Result<Accumulator::Attempt> Accumulator::append(std::string_view name,
                                                 const OutgoingRecord& record,
                                                 DeliveryCallback* done, PooledBytes* spare) {
  const std::lock_guard lock(mutex_);
  Topic* topic = find(name);
  if (topic == nullptr) return Attempt{.outcome = Outcome::needs_topic};
  size_t partition = topic->sticky;
  if (record.partition) {
    if (record.partition->value() < 0 ||
        static_cast<size_t>(record.partition->value()) >= topic->queues.size()) {
      return fail(Errc::unknown_topic_or_partition, "topic " + topic->name + " has no partition " +
                                                        std::to_string(record.partition->value()) +
                                                        ", it has " +
                                                        std::to_string(topic->queues.size()));
    }
    partition = static_cast<size_t>(record.partition->value());
  } else if (record.key) {
    partition = static_cast<size_t>(
        partition_of_key(as_bytes(*record.key), static_cast<int32_t>(topic->queues.size())));
  }
  return append_to(*topic, *topic->queues[partition], record, done, spare);
}

Result<Accumulator::Attempt> Accumulator::append_to(Topic& topic, PartitionQueue& queue,
                                                    const OutgoingRecord& record,
                                                    DeliveryCallback* done, PooledBytes* spare) {
  const Headers headers(record.headers);
  const auto key = bytes_of(record.key);
  const auto value = bytes_of(record.value);
  const Timestamp timestamp = record.timestamp.value_or(clock_.wall_now());
  if (!queue.open || !queue.open->builder.append(key, value, headers.view(), timestamp)) {
    const size_t needed =
        record::max_batch_size(key ? key->size() : 0, value ? value->size() : 0, headers.view());
    if (needed > topic.max_message_bytes && needed > options_.batch_size) {
      return fail(Errc::batch_too_large, "a record of " + std::to_string(needed) +
                                             " bytes is above max.message.bytes of " + topic.name +
                                             ", " + std::to_string(topic.max_message_bytes));
    }
    const size_t size = std::max(needed, options_.batch_size);
    PooledBytes memory;
    if (spare != nullptr && spare->size() >= size) {
      memory = std::move(*spare);
    } else if (auto taken = pool_.try_take(size)) {
      memory = std::move(*taken);
    }
    if (queue.open) {
      // Full: it leaves, and records without a key go on with the next partition.
      queue.full.push_back(std::move(queue.open));
      if (!record.key && !record.partition) topic.sticky = (topic.sticky + 1) % topic.queues.size();
      queue.work.notify_all();
    }
    if (!memory) return Attempt{.outcome = Outcome::needs_memory, .bytes = size};
    queue.open =
        std::make_unique<Batch>(std::move(memory), clock_.now(), options_.delivery_timeout);
    ++queue.begun;
    CHECK(queue.open->builder.append(key, value, headers.view(), timestamp),
          "a new batch takes the record it was sized for");
    queue.work.notify_all();
  }
  if (done != nullptr) {
    queue.open->deliveries.push_back({.index = queue.open->builder.record_count() - 1,
                                      .timestamp = timestamp,
                                      .done = std::move(*done)});
  }
  return Attempt{};
}

std::vector<PartitionQueue*> Accumulator::learn(const TopicMetadata& metadata) {
  const std::lock_guard lock(mutex_);
  auto& topic = topics_[metadata.name];
  if (!topic) {
    topic = std::make_unique<Topic>();
    topic->name = metadata.name;
  }
  topic->max_message_bytes = metadata.max_message_bytes;
  std::vector<PartitionQueue*> added;
  while (topic->queues.size() < metadata.leaders.size()) {
    topic->queues.push_back(
        std::make_unique<PartitionQueue>(PartitionId(static_cast<int32_t>(topic->queues.size()))));
    added.push_back(topic->queues.back().get());
  }
  return added;
}

std::unique_ptr<Batch> Accumulator::take(PartitionQueue& queue, bool partial, Duration linger,
                                         std::optional<TimePoint>* wake_at) {
  const std::lock_guard lock(mutex_);
  if (!queue.full.empty()) {
    auto batch = std::move(queue.full.front());
    queue.full.pop_front();
    return batch;
  }
  if (!queue.open) return nullptr;
  const TimePoint due = queue.open->opened + linger;
  const bool flushed = queue.flush_to >= queue.begun;
  if (flushed || pool_.waiters() > 0 || (partial && clock_.now() >= due)) {
    return std::move(queue.open);
  }
  if (partial) *wake_at = due;
  return nullptr;
}

void Accumulator::finish(PartitionQueue& queue) {
  bool notify = false;
  {
    const std::lock_guard lock(mutex_);
    ++queue.finished;
    notify = flushing_ > 0;
  }
  if (notify) finished_.notify_all();
}

std::vector<Accumulator::FlushPoint> Accumulator::flush() {
  const std::lock_guard lock(mutex_);
  std::vector<FlushPoint> points;
  for (auto& [name, topic] : topics_) {
    for (auto& queue : topic->queues) {
      if (queue->finished == queue->begun) continue;
      queue->flush_to = queue->begun;
      queue->work.notify_all();
      points.push_back({queue.get(), queue->begun});
    }
  }
  ++flushing_;
  return points;
}

bool Accumulator::reached(const FlushPoint& point) const {
  const std::lock_guard lock(mutex_);
  return point.queue->finished >= point.to;
}

void Accumulator::end_flush() {
  const std::lock_guard lock(mutex_);
  --flushing_;
}

}  // namespace sluice::client
