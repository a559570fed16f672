#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/guarded.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "broker/replication/commit_wait.h"
#include "broker/replication/partition_key.h"
#include "io/sync.h"
#include "io/task.h"
#include "storage/log.h"

namespace sluice::broker {

/// What an acknowledgement stands for: the durability that was reached.
struct Receipt {
  /// written: in the leader's page cache, survives the process; synced: on the leader's device.
  enum class Level : uint8_t { none, written, synced };
  Level level = Level::none;
  /// Replicas that have it, the leader counted; and those that have it on their device.
  uint16_t replicas = 0;
  uint16_t synced_replicas = 0;
};

/// read_committed is bounded by the last stable offset instead of the high watermark.
enum class Isolation : uint8_t { read_uncommitted, read_committed };

struct PartitionStatus {
  Offset log_start{-1};
  Offset high_watermark{-1};
  Offset last_stable{-1};
  Offset log_end{-1};
  Offset synced_end{-1};
  uint64_t bytes = 0;
  /// Why it refuses work; empty when it does not.
  std::string problem;
};

/// Something that wants to know when there is more to read; embedded in its owner, which unwatches
/// before it dies.
class Watcher {
 public:
  /// About `bytes` more became readable. Inside the partition's lock: must not block, take a lock
  /// or call the partition; who is to be resumed is added to `wakes`.
  virtual void moved(uint64_t bytes, Wakes& wakes) = 0;

 protected:
  ~Watcher() = default;
};

/// One partition on this broker: its log, its leader epoch and its high watermark. All calls may
/// come from any loop. With one replica the high watermark is the log end, or the synced end where
/// the topic flushes on every acknowledgement.
class Partition {
 public:
  Partition(PartitionKey key, std::shared_ptr<storage::Log> log, NodeId self);
  ~Partition();
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;

  const PartitionKey& key() const { return key_; }
  storage::Log& log() { return *log_; }
  const storage::Log& log() const { return *log_; }

  /// Begins to lead, or goes on to, in `epoch`: recorded in the log, appends must carry it.
  io::Task<Result<>> lead(LeaderEpoch epoch);
  Leadership leadership() const;
  /// Whether it may be asked here: unknown_topic_id (removed), not_leader, fenced_leader_epoch,
  /// unknown_leader_epoch, or why it failed.
  Result<> check_leader(std::optional<LeaderEpoch> expected) const;

  /// Errors: those of check_leader and of Log::append. `batch` lives until it is done.
  io::Task<Result<storage::Appended>> append(MutableBytes batch,
                                             std::optional<LeaderEpoch> expected, Timestamp now);
  /// Until the high watermark reaches `end`. Errors: timed_out; unknown_topic_id when the partition
  /// is removed meanwhile; what the flush failed with.
  io::Task<Result<>> committed(Offset end, TimePoint deadline);
  /// What is true of the records before `end` now.
  Receipt receipt(Offset end) const;
  /// An acknowledgement by the leader alone must wait for the flush too.
  bool flushes_every() const { return flushes_every_.load(std::memory_order_relaxed); }

  Offset high_watermark() const { return Offset{high_watermark_.load(std::memory_order_acquire)}; }
  /// Bound of a read; at most the high watermark.
  Offset readable_end(Isolation isolation) const;
  /// Errors: those of check_leader and of Log::read, offset_out_of_range only outside of
  /// [log start, log end].
  io::Task<Result<storage::ReadResult>> read(Offset from, size_t max_bytes, bool at_least_one,
                                             Isolation isolation);
  PartitionStatus status() const;

  /// From now on until unwatch() returns the watcher is told of every move; false, and not watched,
  /// when the partition is removed.
  bool watch(Watcher& watcher);
  void unwatch(Watcher& watcher);

  /// Applies the topic's configs.
  void set_options(storage::LogOptions options);
  /// No more requests: what waits ends with `why`, watchers are told. Flushes in flight go on
  /// until close() is done. The first reason holds.
  void stop(Error why);
  bool stopped() const { return stopped_.load(std::memory_order_acquire); }
  /// After stop(): waits for flushes in flight.
  io::Task<void> close();

 private:
  struct State {
    CommitWaiters waiters;
    std::vector<Watcher*> watchers;
    /// Appended since the flush in flight began.
    uint64_t unflushed_bytes = 0;
    bool flushing = false;
    /// Why nothing is served any more.
    std::optional<Error> stopped;
  };
  struct CommitAwait;

  io::Task<Result<storage::Appended>> finish_append(io::Task<Result<storage::Appended>> append,
                                                    size_t bytes);
  void appended(const storage::Appended& appended, size_t bytes);
  io::Task<Result<>> wait_committed(Offset end, TimePoint deadline);
  /// True when the waiter is linked; else it is reached, or has its error.
  bool link(CommitWaiter& waiter);
  void expire(CommitWaiter& waiter);
  void advance(Offset to, uint64_t bytes);
  io::Task<void> flush();
  Error stopped_because() const;

  const PartitionKey key_;
  const std::shared_ptr<storage::Log> log_;
  const NodeId self_;
  std::atomic<int64_t> high_watermark_;
  std::atomic<int32_t> epoch_{-1};
  std::atomic<bool> stopped_{false};
  std::atomic<bool> flushes_every_;
  Guarded<State> state_;
  io::Scope flushes_;
};

}  // namespace sluice::broker
