#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "client/consumer/partition.h"
#include "io/sync.h"
#include "proto/record/compression.h"

namespace sluice::client {

/// The assigned partitions between the fetchers, on the client's loop, and poll(), on the user's
/// thread: one lock, under which records are only decoded into views.
class Assignment {
 public:
  explicit Assignment(const ConsumerOptions& options)
      : options_(options), memory_(std::make_shared<FetchMemory>(options.fetch_buffer_memory)) {}

  using Places = std::vector<std::pair<Partition, SeekTarget>>;
  void replace(const Places& places);
  Result<> seek(const Partition& partition, SeekTarget to);
  Result<> pause(const Partition& partition, bool paused);
  Result<Offset> position(const Partition& partition) const;
  std::vector<Partition> list() const;
  size_t size() const {
    const std::lock_guard lock(mutex_);
    return partitions_.size();
  }

  /// Up to `max_records` of what is buffered. The records view memory that stays until the next
  /// call. An error of a partition comes alone, once, and is cleared.
  Result<std::span<const ConsumedRecord>> take(size_t max_records);

  /// Runs `visit` on each partition, as a shared_ptr, under the lock.
  template <class F>
  void for_each(F visit) {
    const std::lock_guard lock(mutex_);
    for (auto& partition : partitions_) visit(partition);
  }
  /// Runs `change` on the partition under the lock; false when the reference is stale.
  template <class F>
  bool update(const PartitionRef& ref, F change) {
    const std::lock_guard lock(mutex_);
    if (ref.partition->version != ref.version) return false;
    change(*ref.partition);
    return true;
  }
  /// Adds what a fetch brought, unless it is stale.
  void add(const PartitionRef& ref, Chunk chunk);
  void set_error(const PartitionRef& ref, Error error);
  /// The broker's log has no more of the reader's last epoch than its largest one below, which ends
  /// at `end`: what was read behind that is gone. False when this changes nothing.
  bool part(const PartitionRef& ref, LeaderEpoch epoch, Offset end);
  /// The broker's log goes on from where the reader stands. True when that was in doubt: what came
  /// is to be fetched again, behind the news.
  bool agree(const PartitionRef& ref);
  std::vector<Truncation> take_truncations();
  /// Goes on fetching at `to`; nothing is buffered.
  void refetch(const PartitionRef& ref, SeekTarget to);
  /// Under the lock, in for_each: take() is to notify wanted() when so much memory is available.
  void want_memory(size_t bytes) { wanted_memory_ = bytes; }

  /// Notified when take() may find something, and when the fetchers have something to do.
  io::Signal& ready() { return ready_; }
  io::Signal& wanted() { return wanted_; }
  const std::shared_ptr<FetchMemory>& memory() const { return memory_; }
  ConsumerMetrics metrics() const;

 private:
  std::shared_ptr<AssignedPartition> find(const Partition& partition) const;
  /// Decodes from one partition until `max_records` or its buffer is empty.
  Result<> drain(AssignedPartition& partition, size_t max_records);
  Result<bool> open_next(AssignedPartition& partition);
  Result<OpenBatch> open_batch(const Chunk& chunk, const record::BatchView& batch);
  void lend(const OpenBatch& open);
  void restart(AssignedPartition& partition, SeekTarget to);
  void drop_buffered(AssignedPartition& partition);
  /// The application has read what is gone from where it stands now on.
  void truncated(AssignedPartition& partition, Offset position);
  void ask_for_more();

  const ConsumerOptions options_;
  const std::shared_ptr<FetchMemory> memory_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<AssignedPartition>> partitions_;
  uint64_t last_version_ = 0;
  size_t turn_ = 0;
  size_t wanted_memory_ = 0;
  std::deque<Truncation> truncations_;
  io::Signal ready_;
  io::Signal wanted_;

  // What the last take() lent out.
  std::vector<ConsumedRecord> records_;
  std::vector<std::shared_ptr<FetchedPayload>> lent_;
  std::vector<std::shared_ptr<const InflatedRecords>> lent_inflated_;
  std::vector<std::shared_ptr<AssignedPartition>> lent_partitions_;
  record::Decompressor decompressor_;
  uint64_t records_total_ = 0;
  uint64_t bytes_total_ = 0;
  uint64_t batches_total_ = 0;
};

}  // namespace sluice::client
