#pragma once

#include <coroutine>
#include <optional>

#include <absl/container/inlined_vector.h>

#include "base/result.h"
#include "base/strong.h"
#include "io/loop.h"

namespace sluice::broker {

/// Suspended coroutines that were claimed inside a lock and are resumed after it was left: waking
/// a loop may be a system call.
class Wakes {
 public:
  Wakes() = default;
  Wakes(Wakes&&) noexcept = default;
  Wakes& operator=(Wakes&&) noexcept = default;
  /// Nobody else may resume `handle` from now on.
  void add(io::Loop& loop, std::coroutine_handle<> handle) { claimed_.push_back({&loop, handle}); }
  void resume_all() {
    for (auto& [loop, handle] : claimed_) loop->post(handle);
    claimed_.clear();
  }
  bool empty() const { return claimed_.empty(); }

 private:
  struct Claimed {
    io::Loop* loop;
    std::coroutine_handle<> handle;
  };
  absl::InlinedVector<Claimed, 4> claimed_;
};

class CommitWaiters;

/// One who waits until the high watermark, or the log start of all in sync, reaches an offset.
/// Lives in the frame of its coroutine; linked and claimed inside the partition's lock.
struct CommitWaiter {
  Offset until{0};
  io::Loop* loop = nullptr;
  std::coroutine_handle<> handle;
  std::optional<Error> error;
  CommitWaiter* previous = nullptr;
  CommitWaiter* next = nullptr;
  /// Where it is linked; null: nowhere.
  CommitWaiters* in = nullptr;
};

/// The waiters of a partition, by offset. No lock of its own.
class CommitWaiters {
 public:
  void link(CommitWaiter& waiter);
  void unlink(CommitWaiter& waiter);
  /// Claims those whose offset is reached.
  void reached(Offset by_now, Wakes& wakes);
  /// Claims all; they end with `error`.
  void fail(const Error& error, Wakes& wakes);
  bool empty() const { return first_ == nullptr; }
  /// The least offset that is waited for.
  std::optional<Offset> next() const {
    return first_ == nullptr ? std::nullopt : std::optional(first_->until);
  }

 private:
  CommitWaiter* first_ = nullptr;
  CommitWaiter* last_ = nullptr;
};

}  // namespace sluice::broker
