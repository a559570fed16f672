#include "client/producer/accumulator.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "client/producer/partitioner.h"

namespace sluice::client {
namespace {

/// Of a record without key and headers, about.
constexpr size_t kRecordOverhead = 8;
constexpr size_t kSlack = 64;

std::optional<ByteView> bytes_of(const std::optional<std::string_view>& text) {
  if (!text) return std::nullopt;
  return as_bytes(*text);
}

/// The headers in the codec's form, on the stack for as many as records usually have.
class Headers {
 public:
  explicit Headers(std::span<const Header> headers) {
    if (headers.empty()) return;
    std::span<record::HeaderView> out = few_.emplace();
    if (headers.size() > out.size()) {
      many_.resize(headers.size());
      out = many_;
    }
    for (size_t i = 0; i < headers.size(); ++i) {
      out[i] = {.key = headers[i].key, .value = bytes_of(headers[i].value)};
    }
    view_ = out.first(headers.size());
  }
  std::span<const record::HeaderView> view() const { return view_; }

 private:
  std::optional<std::array<record::HeaderView, 8>> few_;
  std::vector<record::HeaderView> many_;
  std::span<const record::HeaderView> view_;
};

}  // namespace

Accumulator::Topic* Accumulator::find(std::string_view name) {
  if (last_topic_ != nullptr && last_topic_->name == name) return last_topic_;
  const auto found = topics_.find(name);
  if (found == topics_.end()) return nullptr;
  return last_topic_ = found->second.get();
}

Result<PartitionQueue*> Accumulator::choose(Topic& topic, const OutgoingRecord& record) {
  if (record.partition) {
    const int32_t asked = record.partition->value();
    if (asked < 0 || static_cast<size_t>(asked) >= topic.queues.size()) {
      return fail(Errc::unknown_topic_or_partition, "topic " + topic.name + " has no partition " +
                                                        std::to_string(asked) + ", it has " +
                                                        std::to_string(topic.queues.size()));
    }
    return topic.queues[static_cast<size_t>(asked)].get();
  }
  if (record.key) {
    const auto partitions = static_cast<int32_t>(topic.queues.size());
    return topic.queues[static_cast<size_t>(partition_of_key(as_bytes(*record.key), partitions))]
        .get();
  }
  return topic.queues[topic.sticky].get();
}

void Accumulator::turn_sticky(Topic& topic) {
  topic.sticky = (topic.sticky + 1) % topic.queues.size();
  topic.sticky_bytes = 0;
}

void Accumulator::retire(PartitionQueue& queue) {
  queue.full.push_back(std::move(queue.open));
  queue.work.notify_all();
}

Result<Accumulator::Attempt> Accumulator::append(std::string_view name,
                                                 const OutgoingRecord& record,
                                                 DeliveryCallback* done, PooledBytes* spare) {
  const Headers headers(record.headers);
  const auto key = bytes_of(record.key);
  const auto value = bytes_of(record.value);
  const Timestamp timestamp = record.timestamp ? *record.timestamp : runtime_.clock.wall_now();
  const bool sticky = !record.key && !record.partition;
  const std::lock_guard lock(mutex_);
  if (closed_) return fail(Errc::shutting_down, "the producer is closed");
  Topic* topic = find(name);
  if (topic == nullptr) return Attempt{.outcome = Outcome::needs_topic};
  if (sticky && topic->sticky_bytes >= options_.batch_size && !topic->queues[topic->sticky]->open) {
    turn_sticky(*topic);
  }
  ASSIGN_OR_RETURN(PartitionQueue * queue, choose(*topic, record));
  const auto add = [&] {
    return queue->open && queue->open->builder.append(key, value, headers.view(), timestamp);
  };
  bool added = add();
  if (!added && queue->open && sticky) {
    retire(*queue);
    turn_sticky(*topic);
    queue = topic->queues[topic->sticky].get();
    added = add();
  }
  if (!added) {
    const size_t needed =
        record::max_batch_size(key ? key->size() : 0, value ? value->size() : 0, headers.view());
    ASSIGN_OR_RETURN(const Attempt begun, begin(*topic, *queue, needed, spare));
    if (begun.outcome != Outcome::appended) return begun;
    CHECK(add(), "a new batch takes the record it was sized for");
  }
  ++records_;
  if (sticky) topic->sticky_bytes += kRecordOverhead + (value ? value->size() : 0);
  if (done != nullptr) {
    queue->open->deliveries.push_back({.index = queue->open->builder.record_count() - 1,
                                       .timestamp = timestamp,
                                       .done = std::move(*done)});
  }
  return Attempt{};
}

Result<Accumulator::Attempt> Accumulator::begin(const Topic& topic, PartitionQueue& queue,
                                                size_t needed, PooledBytes* spare) {
  // `needed` allows for the longest numbers: what is only about too large is the broker's to
  // refuse.
  if (!options_.compressed && needed > topic.max_message_bytes + kSlack) {
    return fail(Errc::batch_too_large, "a record of " + std::to_string(needed) +
                                           " bytes is above max.message.bytes of " + topic.name +
                                           ", " + std::to_string(topic.max_message_bytes));
  }
  if (queue.open) retire(queue);
  const size_t size = std::max(needed, options_.batch_size);
  PooledBytes memory;
  if (spare != nullptr && spare->size() >= size) {
    memory = std::move(*spare);
  } else if (auto taken = pool_.try_take(size)) {
    memory = std::move(*taken);
  } else {
    return Attempt{.outcome = Outcome::needs_memory, .bytes = size};
  }
  const size_t limit = std::max(needed, std::min(size, topic.max_message_bytes));
  const TimePoint now = runtime_.clock.now();
  queue.open =
      std::make_unique<Batch>(std::move(memory), limit, now, now + options_.delivery_timeout);
  ++queue.begun;
  queue.work.notify_all();
  return Attempt{};
}

void Accumulator::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

uint64_t Accumulator::records() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

void Accumulator::press() {
  const std::lock_guard lock(mutex_);
  for (auto& [name, topic] : topics_) {
    for (auto& queue : topic->queues) {
      if (queue->open) queue->work.notify_all();
    }
  }
}

std::vector<PartitionQueue*> Accumulator::learn(const TopicMetadata& metadata) {
  const std::lock_guard lock(mutex_);
  auto& topic = topics_[metadata.name];
  const bool is_new = topic == nullptr;
  if (is_new) {
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
  // Producers that start together do not all begin with the same partition.
  if (is_new) topic->sticky = runtime_.random.below(topic->queues.size());
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
  if (flushed || pool_.waiters() > 0 || (partial && runtime_.clock.now() >= due)) {
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
