#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "base/guarded.h"
#include "base/strong.h"
#include "io/sync.h"
#include "storage/append_queue.h"
#include "storage/leader_epochs.h"
#include "storage/options.h"
#include "storage/segment.h"

namespace sluice::storage {

/// Where the last batches of the active segment begin, so that a reader at the tail needs neither
/// index nor file.
class RecentBatches {
 public:
  struct Mark {
    Offset base{0};
    uint32_t position = 0;
  };

  void add(Mark mark);
  /// Forgets batches that begin at or above `end`.
  void cut(Offset end);
  /// The active segment is another.
  void clear() { held_ = 0; }
  /// Where the batch that holds the offset begins; empty when that is not known any more. `offset`
  /// is below the log end.
  std::optional<uint32_t> position_of(Offset offset) const;

 private:
  static constexpr size_t kMarks = 64;
  const Mark& newest(size_t age) const { return (*marks_)[(count_ - 1 - age) % kMarks]; }

  /// Made at the first append: many partitions see none.
  std::unique_ptr<std::array<Mark, kMarks>> marks_;
  size_t count_ = 0;
  size_t held_ = 0;
};

/// One who waits until the log is synced up to an offset. Lives in the waiting coroutine's frame.
struct SyncWaiter {
  Offset end{0};
  SyncWaiter* next = nullptr;
  /// The outcome; nothing when the waiter is to run the next sync itself.
  io::OneShot<std::optional<Result<>>> woken;
};

/// What all loops see of a log, published by its writer. Inside the partition's lock: for work of
/// some hundred nanoseconds, without a system call.
struct LogState {
  AppendQueue queue;

  std::shared_ptr<const SegmentList> segments;
  uint64_t sealed_bytes = 0;
  /// Readable bytes of the active segment: where `end` lies in it.
  uint64_t active_bytes = 0;
  /// The active segment's largest timestamp and the last offset of the batch that has it.
  TimeIndex::Entry active_max_timestamp;
  Offset start{0};
  Offset end{0};
  Offset last_stable{0};
  /// That are remembered for idempotence.
  size_t producers = 0;
  Offset high_watermark{0};
  RecentBatches recent;
  LeaderEpochs epochs;

  Offset synced_end{0};
  bool syncing = false;
  /// Names in the folder changed since it was last synced.
  bool folder_dirty = false;
  /// The lowest end the log was cut to since the sync in flight began: behind it nothing is synced.
  Offset cut_during_sync{0};
  static constexpr Offset kNotCutting{std::numeric_limits<int64_t>::max()};
  /// While a truncation is under way, where it cuts: nothing behind counts as synced any more.
  Offset cutting_to = kNotCutting;
  SyncWaiter* sync_waiters = nullptr;
  /// A sync failed: what is on the device is unknown, for good.
  bool sync_failed = false;

  /// No more syncs: the log was given up.
  bool closed = false;
  std::shared_ptr<const LogOptions> options;
  std::shared_ptr<const std::string> damage;
};

}  // namespace sluice::storage
