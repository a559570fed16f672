#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "client/connection.h"
#include "client/consumer/epoch_trail.h"
#include "client/include/sluice/consumer.h"
#include "proto/record/batch.h"
#include "proto/record/records.h"

namespace sluice::client {

/// The memory of fetched answers: what is held, what is asked for, and a payload to be filled
/// again. Thread-safe.
class FetchMemory {
 public:
  explicit FetchMemory(size_t total) : total_(total) {}

  size_t total() const { return total_; }
  /// By payloads and what was inflated of them.
  size_t held() const { return held_.load(std::memory_order_relaxed); }
  /// Neither held nor asked for.
  size_t available() const {
    const size_t used = held() + asked_.load(std::memory_order_relaxed);
    return used < total_ ? total_ - used : 0;
  }
  bool untouched() const { return held() + asked_.load(std::memory_order_relaxed) == 0; }
  void hold(size_t bytes) { held_.fetch_add(bytes, std::memory_order_relaxed); }
  void release(size_t bytes) { held_.fetch_sub(bytes, std::memory_order_relaxed); }
  void ask(size_t bytes) { asked_.fetch_add(bytes, std::memory_order_relaxed); }
  void answered(size_t bytes) { asked_.fetch_sub(bytes, std::memory_order_relaxed); }

  /// Keeps the larger one, so that big answers need not fault their pages in again.
  void put_spare(Payload payload) {
    const std::lock_guard lock(mutex_);
    if (payload.capacity() > spare_.capacity()) std::swap(spare_, payload);
  }
  Payload take_spare() {
    const std::lock_guard lock(mutex_);
    return std::exchange(spare_, {});
  }

 private:
  const size_t total_;
  std::atomic<size_t> held_{0};
  std::atomic<size_t> asked_{0};
  std::mutex mutex_;
  Payload spare_;
};

/// One answer's records, shared by the chunks of its partitions and by what poll() lent out.
class FetchedPayload {
 public:
  FetchedPayload(Payload payload, std::shared_ptr<FetchMemory> memory)
      : payload_(std::move(payload)), memory_(std::move(memory)) {
    memory_->hold(payload_.capacity());
  }
  ~FetchedPayload() {
    memory_->release(payload_.capacity());
    memory_->put_spare(std::move(payload_));
  }
  FetchedPayload(const FetchedPayload&) = delete;
  FetchedPayload& operator=(const FetchedPayload&) = delete;

  ByteView bytes() const { return payload_.bytes(); }

 private:
  Payload payload_;
  const std::shared_ptr<FetchMemory> memory_;
};

/// The inflated records of a batch.
class InflatedRecords {
 public:
  InflatedRecords(std::vector<std::byte> bytes, std::shared_ptr<FetchMemory> memory)
      : bytes_(std::move(bytes)), memory_(std::move(memory)) {
    memory_->hold(bytes_.capacity());
  }
  ~InflatedRecords() { memory_->release(bytes_.capacity()); }
  InflatedRecords(const InflatedRecords&) = delete;
  InflatedRecords& operator=(const InflatedRecords&) = delete;

  ByteView bytes() const { return bytes_; }

 private:
  const std::vector<std::byte> bytes_;
  const std::shared_ptr<FetchMemory> memory_;
};

/// Whole batches of one partition out of one answer.
struct Chunk {
  std::shared_ptr<FetchedPayload> owner;
  ByteView bytes;
};

/// A batch that poll() is in the middle of.
struct OpenBatch {
  std::shared_ptr<FetchedPayload> owner;
  /// The inflated records; null when they lie in the payload.
  std::shared_ptr<const InflatedRecords> inflated;
  record::BatchHeader header;
  record::RecordReader reader;
};

/// An assigned partition: what was fetched and not polled, and where to go on. Guarded by the
/// mutex of its Assignment.
struct AssignedPartition {
  explicit AssignedPartition(Partition partition) : name(std::move(partition)) {}

  bool has_records() const { return open || !chunks.empty(); }

  const Partition name;
  std::string topic_id;
  NodeId leader{-1};
  LeaderEpoch leader_epoch{-1};
  /// Where it is fetched from: the leader, or a replica in sync that is nearer.
  NodeId source{-1};
  /// When to look for a nearer source again.
  std::optional<TimePoint> look_nearer_at;

  /// Where fetching is to go on, until that is an offset.
  std::optional<SeekTarget> seek;
  /// Of the next record poll() returns, and of the next fetch.
  Offset position{0};
  Offset fetch_from{0};
  /// Of what lies before fetch_from.
  EpochTrail trail;
  /// The position before the log was found cut, while it is not known how far.
  std::optional<Offset> parted_from;
  /// Another one whenever what is under way is of no use any more; never used twice.
  uint64_t version = 0;
  bool paused = false;

  /// Failures in a row to find or fetch it, and when to try again.
  uint32_t failures = 0;
  TimePoint retry_at = TimePoint::min();

  std::deque<Chunk> chunks;
  size_t buffered = 0;
  /// The fetcher leaves it out until less than this is buffered; 0 when it does not.
  size_t wanted_below = 0;
  std::optional<OpenBatch> open;
  /// What was fetched from here on failed its checksum: it is fetched once more before that is
  /// said.
  Offset corrupt_at{-1};
  /// Comes out of poll() behind the records before it.
  std::optional<Error> error;

  Offset log_start{-1};
  Offset high_watermark{-1};
  /// Smoothed, to size fetches by.
  size_t average_batch = 16384;
};

/// A partition as it was when something was asked about it: worth nothing after a seek.
struct PartitionRef {
  std::shared_ptr<AssignedPartition> partition;
  uint64_t version = 0;

  const Partition& name() const { return partition->name; }
};

}  // namespace sluice::client
