#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "client/cluster.h"
#include "client/producer/batch.h"
#include "io/runtime.h"

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
    /// A record above max.message.bytes may still fit.
    bool compressed = false;
  };
  Accumulator(io::Runtime& runtime, MemoryPool& pool, Options options)
      : runtime_(runtime), pool_(pool), options_(options) {}

  enum class Outcome : uint8_t { appended, needs_topic, needs_memory };
  struct Attempt {
    Outcome outcome = Outcome::appended;
    /// With needs_memory.
    size_t bytes = 0;
  };
  /// Adds the record when its topic is known and there is memory, `spare` if it is large enough.
  /// `done` is taken only when the record was appended. shutting_down after close().
  Result<Attempt> append(std::string_view topic, const OutgoingRecord& record,
                         DeliveryCallback* done, PooledBytes* spare);

  /// From now on nothing is added.
  void close();
  /// Records that were added.
  uint64_t records() const;

  /// Learns a topic, or more partitions of one; the queues that are new.
  std::vector<PartitionQueue*> learn(const TopicMetadata& topic);

  /// The next batch to send. One that is not full only when `partial` says so, when it was flushed,
  /// when others wait for memory, or when it is older than `linger`; else `*wake_at` is set to when
  /// it will be.
  std::unique_ptr<Batch> take(PartitionQueue& queue, bool partial, Duration linger,
                              std::optional<TimePoint>* wake_at);
  /// The batch that began first among the unfinished is done with.
  void finish(PartitionQueue& queue);
  /// Somebody is about to wait for memory: the senders look at their batches that are not full.
  void press();

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
    /// Where records without a key go, and what went there: after a batch's worth it is the next
    /// partition's turn, at a batch's end (KIP-794).
    size_t sticky = 0;
    size_t sticky_bytes = 0;
  };

  Topic* find(std::string_view name);
  static Result<PartitionQueue*> choose(Topic& topic, const OutgoingRecord& record);
  void turn_sticky(Topic& topic);
  /// The open batch takes no more.
  static void retire(PartitionQueue& queue);
  /// Opens a batch that takes a record of `needed` bytes, when there is memory.
  Result<Attempt> begin(const Topic& topic, PartitionQueue& queue, size_t needed,
                        PooledBytes* spare);

  io::Runtime& runtime_;
  MemoryPool& pool_;
  const Options options_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  uint64_t records_ = 0;
  // Ordered, so that a simulated run does not depend on addresses.
  std::map<std::string, std::unique_ptr<Topic>, std::less<>> topics_;
  Topic* last_topic_ = nullptr;
  size_t flushing_ = 0;
  io::Signal finished_;
};

}  // namespace sluice::client
