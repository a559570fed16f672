#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "client/cluster.h"
#include "client/producer/batch.h"
#include "io/sync.h"

namespace sluice::client {

/// The batches of one partition between the user's threads and its sender.
struct PartitionQueue {
  explicit PartitionQueue(PartitionId partition) : id(partition) {}

  const PartitionId id;
  /// Notified when there may be something to do for the sender.
  io::Signal work;

  // Guarded by the accumulator's mutex.
  std::unique_ptr<Batch> open;
  std::deque<std::unique_ptr<Batch>> full;
  /// Batches begun and finished with, for flush: batches finish in the order they began.
  uint64_t begun = 0;
  uint64_t finished = 0;
  /// Everything begun up to here leaves without lingering.
  uint64_t flush_to = 0;
};

/// Where records become batches. One lock, held for the encoding of one record into its batch's
/// buffer, serves every user thread.
class Accumulator {
 public:
  struct Options {
    size_t batch_size;
    Duration delivery_timeout;
  };
  Accumulator(const Clock& clock, MemoryPool& pool, Options options)
      : clock_(clock), pool_(pool), options_(options) {}

  enum class Outcome : uint8_t { appended, needs_topic, needs_memory };
  struct Attempt {
    Outcome outcome = Outcome::appended;
    /// With needs_memory.
    size_t bytes = 0;
  };
  /// Adds the record when its topic is known and there is memory, `spare` if it is large enough.
  /// `done` is taken only when the record was appended.
  Result<Attempt> append(std::string_view topic, const OutgoingRecord& record,
                         DeliveryCallback* done, PooledBytes* spare);

  /// Learns a topic, or more partitions of one; the queues that are new.
  std::vector<PartitionQueue*> learn(const TopicMetadata& topic);

  /// The next batch to send. One that is not full only when `partial` says so, when it was flushed,
  /// when others wait for memory, or when it is older than `linger`; else `*wake_at` is set to when
  /// it will be.
  std::unique_ptr<Batch> take(PartitionQueue& queue, bool partial, Duration linger,
                              std::optional<TimePoint>* wake_at);
  /// The batch that began first among the unfinished is done with.
  void finish(PartitionQueue& queue);

  struct FlushPoint {
    PartitionQueue* queue;
    uint64_t to;
  };
  /// Sends everything on its way; the points to wait for.
  std::vector<FlushPoint> flush();
  bool reached(const FlushPoint& point) const;
  void end_flush();
  /// Notified whenever a batch is finished and somebody flushes.
  io::Signal& finished() { return finished_; }

 private:
  struct Topic {
    std::string name;
    size_t max_message_bytes = 0;
    std::vector<std::unique_ptr<PartitionQueue>> queues;
    size_t sticky = 0;
  };

  Topic* find(std::string_view name);
  Result<Attempt> append_to(Topic& topic, PartitionQueue& queue, const OutgoingRecord& record,
                            DeliveryCallback* done, PooledBytes* spare);

  const Clock& clock_;
  MemoryPool& pool_;
  const Options options_;
  mutable std::mutex mutex_;
  absl::flat_hash_map<std::string, std::unique_ptr<Topic>> topics_;
  Topic* last_topic_ = nullptr;
  size_t flushing_ = 0;
  io::Signal finished_;
};

}  // namespace sluice::client
