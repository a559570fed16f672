#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/check.h"
#include "io/loop.h"
#include "io/task.h"

namespace sluice::io {

/// A value handed over once, from any thread, to one waiter, which goes on on its own loop.
template <class T>
class OneShot {
 public:
  OneShot() = default;
  OneShot(const OneShot&) = delete;
  OneShot& operator=(const OneShot&) = delete;

  /// Once. After it the waiter may destroy this object at any time.
  void set(T value) {
    value_.emplace(std::move(value));
    // The exchange publishes the value; whoever comes second finds what the first one left.
    void* before = state_.exchange(done(), std::memory_order_acq_rel);
    CHECK(before != done(), "a OneShot is set once");
    if (before != nullptr) loop_->post(std::coroutine_handle<>::from_address(before));
  }

  auto operator co_await() {
    struct Awaiter {
      OneShot& shot;
      bool await_ready() const {
        return shot.state_.load(std::memory_order_acquire) == shot.done();
      }
      bool await_suspend(std::coroutine_handle<> self) {
        shot.loop_ = Loop::current();
        CHECK(shot.loop_ != nullptr, "waiting happens on a loop");
        void* expected = nullptr;
        return shot.state_.compare_exchange_strong(expected, self.address(),
                                                   std::memory_order_acq_rel);
      }
      T await_resume() { return std::move(*shot.value_); }
    };
    return Awaiter{*this};
  }

 private:
  void* done() const { return const_cast<std::atomic<void*>*>(&state_); }
  std::atomic<void*> state_{nullptr};
  Loop* loop_ = nullptr;
  std::optional<T> value_;
};

/// Wakes all who wait, from any thread. A wait that began after a notify does not see it: check the
/// condition after taking a ticket().
class Signal {
 public:
  Signal() = default;
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  /// The number of notifies so far; hand it to wait() to not miss one in between.
  uint64_t ticket() const { return count_.load(std::memory_order_acquire); }
  void notify_all();
  /// Until there were more notifies than `ticket`, or `deadline`; false when it was the deadline.
  Task<bool> wait(uint64_t ticket, std::optional<TimePoint> deadline = std::nullopt);

 private:
  struct Waiter;
  std::atomic<uint64_t> count_{0};
  std::mutex mutex_;
  Waiter* waiters_ = nullptr;
};

/// A mutex for coroutines: first come first served, may be held across co_await, from any loop.
class AsyncMutex {
 public:
  class [[nodiscard]] Lock {
   public:
    Lock() = default;
    Lock(Lock&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Lock& operator=(Lock&& other) noexcept {
      std::swap(mutex_, other.mutex_);
      return *this;
    }
    ~Lock() { unlock(); }
    void unlock() {
      if (auto* mutex = std::exchange(mutex_, nullptr)) mutex->unlock();
    }

   private:
    friend class AsyncMutex;
    explicit Lock(AsyncMutex* mutex) : mutex_(mutex) {}
    AsyncMutex* mutex_ = nullptr;
  };

  Task<Lock> lock();
  std::optional<Lock> try_lock();

 private:
  Task<Lock> lock_in_turn();
  void unlock();
  std::mutex mutex_;
  bool held_ = false;
  std::deque<OneShot<bool>*> waiting_;
};

/// At most `permits` at once, first come first served. Thread-safe; permits are given back by hand.
class Semaphore {
 public:
  explicit Semaphore(size_t permits) : free_(permits) {}
  Task<void> acquire();
  bool try_acquire();
  void release();

 private:
  Task<void> acquire_in_turn();
  std::mutex mutex_;
  size_t free_;
  std::deque<OneShot<bool>*> waiting_;
};

/// Children that their owner waits for: start() runs a task, join() returns when all have ended.
/// The owner joins before it dies. start() and ends may come from any thread.
class Scope {
 public:
  Scope() = default;
  ~Scope() {
    CHECK(running_.load(std::memory_order_acquire) == 0, "a Scope is joined before it dies");
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  void start(Task<void> task);
  size_t running() const { return running_.load(std::memory_order_acquire); }
  Task<void> join();

 private:
  Task<void> run(Task<void> task);
  void ended();
  std::atomic<size_t> running_{0};
  std::mutex mutex_;
  OneShot<bool>* joiner_ = nullptr;
};

}  // namespace sluice::io
