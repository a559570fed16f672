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
#include "client/include/sluice/consumer.h"
#include "proto/record/batch.h"
#include "proto/record/records.h"

namespace sluice::client {

/// The memory of fetched answers: what is held, and payloads to be filled again. Thread-safe.
class FetchMemory {
 public:
  explicit FetchMemory(size_t total) : total_(total) {}

  size_t total() const { return total_; }
  size_t held() const { return held_.load(std::memory_order_relaxed); }
  size_t available() const {
    const size_t used = held();
    return used < total_ ? total_ - used : 0;
  }
  void hold(size_t bytes) { held_.fetch_add(bytes, std::memory_order_relaxed); }
  void release(size_t bytes) { held_.fetch_sub(bytes, std::memory_order_relaxed); }

  void put_spare(Payload payload) {
    const std::lock_guard lock(mutex_);
    if (spare_.size() < kSpares) spare_.push_back(std::move(payload));
  }
  std::optional<Payload> take_spare() {
    const std::lock_guard lock(mutex_);
    if (spare_.empty()) return std::nullopt;
    auto payload = std::move(spare_.back());
    spare_.pop_back();
    return payload;
  }

 private:
  static constexpr size_t kSpares = 4;
  const size_t total_;
  std::atomic<size_t> held_{0};
  std::mutex mutex_;
  std::vector<Payload> spare_;
};

/// One answer's records, shared by the chunks of its partitions and by what poll() lent out.
class FetchedPayload {
 public:
  FetchedPayload(Payload payload, std::shared_ptr<FetchMemory> memory)
      : payload_(std::move(payload)), memory_(std::move(memory)) {
    memory_->hold(payload_.size());
  }
  ~FetchedPayload() {
    memory_->release(payload_.size());
    memory_->put_spare(std::move(payload_));
  }
  FetchedPayload(const FetchedPayload&) = delete;
  FetchedPayload& operator=(const FetchedPayload&) = delete;

  ByteView bytes() const { return payload_.bytes(); }

 private:
  Payload payload_;
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
  std::shared_ptr<std::vector<std::byte>> inflated;
  record::BatchHeader header;
  record::RecordReader reader;
};

/// An assigned partition: what was fetched and not polled, and where to go on. Guarded by the
/// core's mutex.
struct AssignedPartition {
  explicit AssignedPartition(Partition partition) : name(std::move(partition)) {}

  const Partition name;
  std::string topic_id;
  NodeId leader{-1};
  LeaderEpoch leader_epoch{-1};

  /// Where the reader wants to be, until it is an offset.
  std::optional<SeekTarget> seek;
  /// Of the next record poll() returns, and of the next fetch.
  Offset position{0};
  Offset fetch_from{0};
  /// Goes up when what is under way is of no use any more.
  uint64_t version = 0;
  bool paused = false;

  std::deque<Chunk> chunks;
  size_t buffered = 0;
  std::optional<OpenBatch> open;
  std::optional<Error> error;

  Offset log_start{-1};
  Offset high_watermark{-1};
  /// Smoothed, to size fetches by.
  size_t average_batch = 16384;
};

}  // namespace sluice::client
