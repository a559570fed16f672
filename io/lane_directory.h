#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "io/lanes.h"
#include "io/sync.h"

namespace sluice::io {

/// At most so many at once, first come first served, until it is shut. Thread-safe.
class LaneGate {
 public:
  explicit LaneGate(size_t permits) : permits_(permits), free_(permits) {}
  /// False when it was shut.
  Task<bool> enter();
  void leave();
  void shut();
  size_t inside() const;

 private:
  const size_t permits_;
  mutable std::mutex mutex_;
  size_t free_;
  bool shut_ = false;
  std::deque<OneShot<bool>*> waiting_;
};

/// What an operation is counted as, and what its failure means for the directory.
enum class LaneWork : uint8_t { read, write, sync, sync_directory, make_directories, other };

/// What a LaneDisk and its files share: the gates, the clock, whether the directory is offline.
class LaneDirectory : public std::enable_shared_from_this<LaneDirectory> {
 public:
  LaneDirectory(const Clock& clock, std::string path, LaneOptions options);

  bool offline() const { return offline_.load(std::memory_order_acquire); }
  /// disk_offline with the first cause. Only when offline.
  Error offline_error() const;
  void take_offline(const Error& cause);
  size_t in_flight(Lane lane) const { return gates_[static_cast<size_t>(lane)].inside(); }

  /// Starts the operation that `start` returns, unless the directory is offline: when it is done at
  /// once it is handed through without a frame, else it runs in its lane. `path` as in File.
  template <class Start>
  auto run(Lane lane, LaneWork work, const std::string& path, Start start) -> decltype(start()) {
    using R = decltype(start().await_resume());
    if (offline()) return Task<R>::ready(fail(offline_error()));
    const TimePoint before = start_time(work);
    auto task = start();
    if (!task.is_ready()) return run_in_lane(lane, work, path, std::move(task));
    R result = task.await_resume();
    if (before != TimePoint{}) took(work, path, before);
    if (!result && is_final(work, result.error())) result = fail(failed_sync(result.error()));
    return Task<R>::ready(std::move(result));
  }

 private:
  class Watchdog;

  template <class R>
  Task<R> run_in_lane(Lane lane, LaneWork work, std::string path, Task<R> task);
  /// The clock, or nothing where nobody wants to know.
  TimePoint start_time(LaneWork work) const {
    return histogram(work) != nullptr ? clock_.now() : TimePoint{};
  }
  Histogram* histogram(LaneWork work) const;
  void took(LaneWork work, const std::string& path, TimePoint before);
  /// A failed sync is; what came before it, in those that do more, is not.
  static bool is_final(LaneWork work, const Error& error);
  Error failed_sync(const Error& cause);
  Error too_slow(const std::string& path) const;

  const Clock& clock_;
  const std::string path_;
  const Duration timeout_;
  const DirectoryTimes times_;
  std::array<LaneGate, kLanes> gates_;
  std::atomic<bool> offline_{false};
  mutable std::mutex mutex_;
  std::unique_ptr<const Error> cause_;
  std::move_only_function<void(const Error&)> on_offline_;
};

/// Takes the directory offline when the operation that it watches is not done in time. On the loop
/// of that operation, so that there is no list of operations to lock.
class LaneDirectory::Watchdog final : public Timer {
 public:
  Watchdog(LaneDirectory& directory, const std::string& path)
      : directory_(directory), path_(path), loop_(*Loop::current()) {
    loop_.arm(*this, loop_.now() + directory.timeout_);
  }
  ~Watchdog() { loop_.disarm(*this); }
  void fire() override { directory_.take_offline(directory_.too_slow(path_)); }

 private:
  LaneDirectory& directory_;
  const std::string& path_;
  Loop& loop_;
};

template <class R>
Task<R> LaneDirectory::run_in_lane(Lane lane, LaneWork work, std::string path, Task<R> task) {
  const auto self = shared_from_this();  // the file may be closed when this ends
  auto& gate = gates_[static_cast<size_t>(lane)];
  if (!co_await gate.enter()) co_return fail(offline_error());
  const TimePoint before = start_time(work);
  R result;
  {
    const Watchdog watchdog(*this, path);
    result = co_await std::move(task);
  }
  gate.leave();
  if (before != TimePoint{}) took(work, path, before);
  if (!result && is_final(work, result.error())) co_return fail(failed_sync(result.error()));
  co_return result;
}

}  // namespace sluice::io
