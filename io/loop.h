#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "io/task.h"

namespace sluice::io {

/// Something to be called at a time, on the loop that it was armed on. Embedded in its owner, which
/// disarms it before it dies.
class Timer {
 public:
  virtual void fire() = 0;
  bool armed() const { return armed_; }

 protected:
  Timer() = default;
  ~Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  friend class TimerQueue;
  TimePoint at_{};
  uint64_t sequence_ = 0;
  bool armed_ = false;
};

/// One thread's event loop (or, simulated, one of several that share a thread). Coroutines resume
/// on the loop they suspended on; only post() may be called from elsewhere.
class Loop {
 public:
  virtual ~Loop() = default;

  /// The loop that is running the caller; null on a thread that runs none.
  static Loop* current();

  /// Position among the executor's loops: workers first, then the control loop. Also the metrics
  /// cell.
  virtual size_t index() const = 0;
  /// The time at the start of this turn: one clock read a turn.
  virtual TimePoint now() const = 0;

  /// Resumes the coroutine on this loop, in a later step. From any thread; any number of posts
  /// between two turns wake the loop once.
  virtual void post(std::coroutine_handle<> resume) = 0;

  /// On the loop itself only. Arming an armed timer moves it.
  virtual void arm(Timer& timer, TimePoint at) = 0;
  virtual void disarm(Timer& timer) = 0;

  /// co_await loop.enter(): goes on on this loop; at once when already there.
  auto enter() {
    struct Enter {
      Loop& loop;
      bool await_ready() const { return Loop::current() == &loop; }
      void await_suspend(std::coroutine_handle<> self) { loop.post(self); }
      void await_resume() const {}
    };
    return Enter{*this};
  }
  /// co_await loop.yield(): lets the others of this loop go first.
  auto yield() {
    struct Yield {
      Loop& loop;
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<> self) { loop.post(self); }
      void await_resume() const {}
    };
    return Yield{*this};
  }

 protected:
  /// For implementations: sets the loop of the calling thread, returns the one before.
  static Loop* set_current(Loop* loop);
};

/// co_await sleep_until(t) on the current loop.
Task<void> sleep_until(TimePoint at);
inline Task<void> sleep_for(Duration duration) {
  return sleep_until(Loop::current()->now() + duration);
}

}  // namespace sluice::io
