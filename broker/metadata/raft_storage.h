#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.h"
#include "broker/metadata/raft_core.h"
#include "broker/metadata/wal.h"
#include "io/sync.h"

namespace sluice::broker {

/// Makes durable what a RaftCore says, in its order, while the core goes on: steps that come while
/// a write is under way share the next one. On the control loop.
class RaftStorage {
 public:
  /// What became durable since the last time.
  struct Written {
    uint64_t number = 0;
    std::optional<WalSnapshot> installed;
    std::vector<RaftMessage> messages;
  };
  struct Ports {
    Logger log;
    std::function<void(Written)> on_written;
    /// A snapshot of our own stands for everything up to this entry.
    std::function<void(uint64_t index)> on_snapshot;
    /// Once; nothing is written any more.
    std::function<void(const Error&)> on_failed;
  };

  /// `first` goes with the first write: where a new log begins.
  RaftStorage(Ports ports, std::unique_ptr<Wal> wal, WalBatch first);

  void add(RaftReady step);
  /// After what was added before. One at a time.
  void save(WalSnapshot snapshot);
  bool saving() const { return saving_; }
  /// The device has no space: what was added waits until there is some.
  bool full() const { return full_; }
  /// Nothing becomes durable: the device is full, or has been at one write for a second and more.
  bool stuck(TimePoint now) const;
  /// After so many bytes of log, and a while after one that found no space.
  bool snapshot_due(uint64_t every_bytes) const;
  /// Writes what was added, unless the device is full.
  io::Task<void> close();

 private:
  struct Step {
    Written written;
    WalBatch batch;
    bool must_sync = false;
    /// When the oldest of it was added.
    TimePoint since{};
    /// Of our own, and nothing else in this step.
    std::optional<WalSnapshot> own;
  };

  void enqueue(Step step);
  static size_t size_of(const WalBatch& batch);
  /// The first step, and those behind it that can share its write.
  Step next_group();
  static void merge(Step& into, Step step);
  io::Task<void> write_all();
  io::Task<Result<>> write(Step& step);
  io::Task<void> save_own(WalSnapshot snapshot);
  /// Until there is space, or close().
  io::Task<bool> wait_for_space();

  Ports ports_;
  std::unique_ptr<Wal> wal_;
  /// What waits for the next write: where the log begins, a commit index that is worth none.
  WalBatch carried_;
  uint64_t snapshot_index_ = 0;
  /// Bytes of log before which no snapshot is tried again.
  uint64_t snapshot_not_before_ = 0;
  /// Of the step that is being written.
  std::optional<TimePoint> waiting_since_;
  std::deque<Step> queue_;
  bool writing_ = false;
  bool saving_ = false;
  bool full_ = false;
  bool failed_ = false;
  bool closed_ = false;
  io::Signal closing_;
  io::Scope writes_;
};

}  // namespace sluice::broker
