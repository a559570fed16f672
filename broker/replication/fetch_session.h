#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/memory_budget.h"
#include "base/result.h"
#include "base/strong.h"
#include "broker/replication/partition.h"
#include "io/loop.h"
#include "io/task.h"

namespace sluice::broker {

class PartitionTable;

/// What a reader wants of one partition.
struct FetchTarget {
  PartitionKey key;
  Offset offset{0};
  uint32_t max_bytes = 0;
  /// Checked against the broker's when set.
  std::optional<LeaderEpoch> leader_epoch;
  /// Epoch of the last record the reader has.
  std::optional<LeaderEpoch> last_fetched_epoch;
  /// A replica's: how much of its log is on its device.
  std::optional<Offset> synced_end = std::nullopt;
  /// What it got from there on failed its checksum twice.
  std::optional<Offset> corrupt_at = std::nullopt;
  /// A replica's: where its log begins, also after a loss of power.
  std::optional<Offset> log_start = std::nullopt;
};

/// A partition within a session.
struct FetchSlot final : Watcher {
  FetchTarget target;
  std::shared_ptr<Partition> partition;
  /// What the last answer said; -1: nothing yet.
  Offset told_high_watermark{-1};
  Offset told_log_start{-1};
  /// A replica's: the partition has taken note of how far it says it is.
  bool noted = false;

  void moved(uint64_t bytes, Wakes& wakes) override;

 private:
  friend class FetchSession;
  class FetchSession* session_ = nullptr;
  std::atomic<bool> dirty_{false};
  FetchSlot* next_dirty_ = nullptr;
  FetchSlot* previous_ready_ = nullptr;
  FetchSlot* next_ready_ = nullptr;
  bool ready_ = false;
};

/// The partitions a reader follows, and which of them may have something for it. Idle partitions
/// cost nothing per fetch: partitions put themselves on the dirty list when their readable end
/// moves. Belongs to one loop; only partitions touch it from elsewhere, and without a lock. Not for
/// two fetches at once. Every slot is charged to the budget.
class FetchSession {
 public:
  /// About what a partition takes.
  static constexpr size_t kBytesPerSlot = 288;

  /// The budget outlives the session.
  explicit FetchSession(MemoryBudget& budget, size_t max_partitions = 10'000);
  ~FetchSession();
  FetchSession(const FetchSession&) = delete;
  FetchSession& operator=(const FetchSession&) = delete;

  /// Ends a fetch that waits, now or later, with `cancelled`. On the session's loop; no fetch may
  /// begin after it.
  void cancel();
  size_t size() const { return slots_.size(); }

  /// 1 follows the last one: 0 begins a session.
  static constexpr uint32_t epoch_after(uint32_t epoch) {
    return epoch == std::numeric_limits<uint32_t>::max() ? 1 : epoch + 1;
  }
  /// For the fetch service: takes over what a request names. Epoch 0 begins anew; otherwise it must
  /// be the next, of the same kind of reader (unknown_session). too_many, out_of_memory: as many as
  /// fitted are kept. What is not served here gets no slot, it is in absent() until the next
  /// update.
  Result<> update(uint32_t epoch, std::span<const FetchTarget> targets,
                  std::span<const PartitionKey> forgotten, const PartitionTable& table,
                  WatchKind kind = WatchKind::reader);
  /// For the fetch service: takes the dirty slots into the ready ring.
  void collect();
  /// Slots that may have something, in the order they are due; null at the end.
  FetchSlot* first_ready() { return ready_first_; }
  FetchSlot* next_ready(FetchSlot& slot) { return slot.next_ready_; }
  size_t ready() const { return ready_count_; }
  std::span<const PartitionKey> absent() const { return absent_; }
  /// Null: it has none.
  FetchSlot* find(const PartitionKey& key);
  /// Nothing there for now: out of the ring until the partition moves.
  void settle(FetchSlot& slot);
  /// Finds the slot's partition, again when it was not there or is not served any more; null when
  /// it is not here.
  void resolve(FetchSlot& slot, const PartitionTable& table);
  /// The answer named this partition, with a high watermark of -1 when it was an error, and `bound`
  /// is where its reader can get to. While there is more to say about it, it stays in the ring,
  /// behind the others; one that is not served here any more leaves the session.
  void told(const PartitionKey& key, Offset high_watermark, Offset log_start, Offset bound);
  /// Until partitions moved by about `bytes` since the last collect(), or `deadline`. False at the
  /// deadline; `cancelled`.
  io::Task<Result<bool>> wait(uint64_t bytes, TimePoint deadline);

 private:
  friend struct FetchSlot;
  struct Wait;
  enum class State : uint8_t { running, waiting, claimed };

  Result<> put(const FetchTarget& target, const PartitionTable& table);
  void detach(FetchSlot& slot);
  void forget(const PartitionKey& key);
  void clear();
  void make_ready(FetchSlot& slot);
  /// The waiting coroutine is the caller's to resume from now on, if true.
  bool claim();

  MemoryBudget& budget_;
  const size_t max_partitions_;
  Reservation memory_;
  absl::flat_hash_map<PartitionKey, std::unique_ptr<FetchSlot>> slots_;
  std::vector<PartitionKey> absent_;
  uint32_t epoch_ = 0;
  WatchKind kind_ = WatchKind::reader;
  bool open_ = false;
  bool cancelled_ = false;
  FetchSlot* ready_first_ = nullptr;
  FetchSlot* ready_last_ = nullptr;
  size_t ready_count_ = 0;

  // Touched by partitions from other threads.
  std::atomic<FetchSlot*> dirty_{nullptr};
  std::atomic<uint64_t> moved_bytes_{0};
  std::atomic<uint64_t> wake_at_{0};
  std::atomic<State> state_{State::running};
  io::Loop* loop_ = nullptr;
  std::coroutine_handle<> waiter_;
};

}  // namespace sluice::broker
