#include "io/sync.h"

namespace sluice::io {

/// One coroutine in Signal::wait; lives in its frame. The list and `linked` belong to the signal's
/// mutex: whoever unlinks it resumes it. All else belongs to the waiter's loop.
struct Signal::Waiter final : public Timer {
  Waiter(Signal& s, uint64_t t, std::optional<TimePoint> d) : signal(s), ticket(t), deadline(d) {}

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> awaiter) {
    self = awaiter;
    loop = Loop::current();
    CHECK(loop != nullptr, "waiting happens on a loop");
    {
      std::lock_guard guard(signal.mutex_);
      if (signal.count_.load(std::memory_order_relaxed) != ticket) return false;
      link();
      // Under the lock: once it is released the waiter may be resumed, though on this thread only.
      if (deadline) loop->arm(*this, *deadline);
    }
    return true;
  }
  bool await_resume() {
    if (armed()) loop->disarm(*this);
    return !expired;
  }

  void fire() override {
    {
      std::lock_guard guard(signal.mutex_);
      if (!linked) return;  // notified already, the resumption is on its way
      unlink();
    }
    expired = true;
    self.resume();
  }

  void link() {
    linked = true;
    next = signal.waiters_;
    if (next != nullptr) next->previous = this;
    signal.waiters_ = this;
  }
  void unlink() {
    linked = false;
    (previous != nullptr ? previous->next : signal.waiters_) = next;
    if (next != nullptr) next->previous = previous;
  }

  Signal& signal;
  const uint64_t ticket;
  const std::optional<TimePoint> deadline;
  std::coroutine_handle<> self;
  Loop* loop = nullptr;
  Waiter* next = nullptr;
  Waiter* previous = nullptr;
  bool linked = false;
  bool expired = false;
};

Signal::~Signal() { CHECK(waiters_ == nullptr, "a Signal outlives those who wait for it"); }

void Signal::notify_all() {
  Waiter* woken = nullptr;
  {
    std::lock_guard guard(mutex_);
    count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    // Oldest first: the list holds the youngest in front.
    while (Waiter* waiter = waiters_) {
      waiter->unlink();
      waiter->next = std::exchange(woken, waiter);
    }
  }
  // Without the lock: a resumed waiter may destroy the signal.
  while (woken != nullptr) {
    Waiter* waiter = std::exchange(woken, woken->next);
    waiter->loop->post(waiter->self);
  }
}

Task<bool> Signal::wait(uint64_t ticket, std::optional<TimePoint> deadline) {
  Waiter waiter(*this, ticket, deadline);
  co_return co_await waiter;
}

std::optional<AsyncMutex::Lock> AsyncMutex::try_lock() {
  std::lock_guard guard(mutex_);
  if (held_) return std::nullopt;
  held_ = true;
  return Lock(this);
}

Task<AsyncMutex::Lock> AsyncMutex::lock() {
  if (auto lock = try_lock()) return Task<Lock>::ready(std::move(*lock));
  return lock_in_turn();
}

Task<AsyncMutex::Lock> AsyncMutex::lock_in_turn() {
  OneShot<bool> turn;
  {
    std::lock_guard guard(mutex_);
    if (!std::exchange(held_, true)) co_return Lock(this);
    waiting_.push_back(&turn);
  }
  co_await turn;
  co_return Lock(this);
}

void AsyncMutex::unlock() {
  OneShot<bool>* next = nullptr;
  {
    std::lock_guard guard(mutex_);
    if (waiting_.empty()) {
      held_ = false;
      return;
    }
    next = waiting_.front();
    waiting_.pop_front();
  }
  next->set(true);
}

bool Semaphore::try_acquire() {
  std::lock_guard guard(mutex_);
  if (free_ == 0) return false;
  --free_;
  return true;
}

Task<void> Semaphore::acquire() {
  if (try_acquire()) return Task<void>::ready();
  return acquire_in_turn();
}

Task<void> Semaphore::acquire_in_turn() {
  OneShot<bool> turn;
  {
    std::lock_guard guard(mutex_);
    if (free_ > 0) {
      --free_;
      co_return;
    }
    waiting_.push_back(&turn);
  }
  co_await turn;
}

void Semaphore::release() {
  OneShot<bool>* next = nullptr;
  {
    std::lock_guard guard(mutex_);
    if (waiting_.empty()) {
      ++free_;
      return;
    }
    next = waiting_.front();
    waiting_.pop_front();
  }
  next->set(true);
}

void Scope::start(Task<void> task) {
  running_.fetch_add(1, std::memory_order_relaxed);
  start_detached(run(std::move(task)));
}

Task<void> Scope::run(Task<void> task) {
  co_await std::move(task);
  ended();
}

void Scope::ended() {
  OneShot<bool>* joiner = nullptr;
  {
    std::lock_guard guard(mutex_);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      joiner = std::exchange(joiner_, nullptr);
    }
  }
  if (joiner != nullptr) joiner->set(true);
}

Task<void> Scope::join() {
  while (true) {
    OneShot<bool> all_ended;
    {
      // Even when nothing runs: the last child may still be inside ended().
      std::lock_guard guard(mutex_);
      if (running_.load(std::memory_order_acquire) == 0) co_return;
      CHECK(joiner_ == nullptr, "a Scope is joined by one at a time");
      joiner_ = &all_ended;
    }
    co_await all_ended;
  }
}

}  // namespace sluice::io
