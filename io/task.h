#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "io/frame_pool.h"

namespace sluice::io {

template <class T = void>
class Task;

namespace internal {

struct PromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();

  static void* operator new(size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, size_t size) noexcept { free_frame(frame, size); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct Final {
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> self) noexcept {
      return self.promise().continuation;
    }
    void await_resume() noexcept {}
  };
  Final final_suspend() noexcept { return {}; }
  /// World errors are Results; an exception that gets here is a broken invariant.
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() noexcept;
  template <class U = T>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
};
template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
};

}  // namespace internal

/// A value that will be there later. Lazy: the body runs when the task is awaited, on the awaiter's
/// thread, and hands control back by symmetric transfer. May also hold a ready value and no
/// coroutine: awaiting that neither suspends nor allocates, which is the fast path of every
/// operation in io/. Awaited at most once; move only. After Lewis Baker's "Understanding symmetric
/// transfer" (2020).
template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::Promise<T>;
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  /// A task that is done.
  static Task ready(Stored value = {})
    requires(std::is_void_v<T> || std::is_default_constructible_v<Stored>)
  {
    Task task;
    task.ready_.emplace(std::move(value));
    return task;
  }
  static Task ready(Stored value)
    requires(!std::is_void_v<T> && !std::is_default_constructible_v<Stored>)
  {
    Task task;
    task.ready_.emplace(std::move(value));
    return task;
  }

  Task(Task&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), ready_(std::move(other.ready_)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
      ready_ = std::move(other.ready_);
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  /// Holds its value already: awaiting it neither suspends nor runs anything.
  bool is_ready() const noexcept { return !handle_; }

  bool await_ready() const noexcept { return is_ready(); }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    handle_.promise().continuation = awaiter;
    return handle_;
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) {
      auto& value = handle_ ? handle_.promise().value : ready_;
      CHECK(value.has_value(), "a task is awaited once and only after it has its value");
      return std::move(*value);
    }
  }

 private:
  friend promise_type;
  Task() = default;
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
  std::optional<Stored> ready_;
};

namespace internal {

template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

/// A coroutine that owns itself: runs at once and frees its frame at its end.
struct Detached {
  struct promise_type {
    static void* operator new(size_t size) { return allocate_frame(size); }
    static void operator delete(void* frame, size_t size) noexcept { free_frame(frame, size); }
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};

}  // namespace internal

/// Starts a task that nobody waits for, here and now, up to its first suspension. What it uses must
/// outlive it: prefer Scope::start, whose owner waits.
inline void start_detached(Task<void> task) {
  [](Task<void> owned) -> internal::Detached { co_await std::move(owned); }(std::move(task));
}

}  // namespace sluice::io
