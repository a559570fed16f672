#pragma once

#include <future>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "io/loop.h"
#include "io/task.h"

namespace sluice::io {

/// Runs a task on a loop and blocks the calling thread, which runs none, until it is done: the
/// bridge for callers that know nothing of loops. The loop must be running on another thread.
template <class T>
T block_on(Loop& loop, Task<T> task) {
  CHECK(Loop::current() == nullptr, "only a thread without a loop may block");
  std::promise<T> done;
  auto future = done.get_future();
  start_detached([](Loop& on, Task<T> work, std::promise<T> result) -> Task<void> {
    co_await on.enter();
    if constexpr (std::is_void_v<T>) {
      co_await std::move(work);
      result.set_value();
    } else {
      result.set_value(co_await std::move(work));
    }
  }(loop, std::move(task), std::move(done)));
  return future.get();
}

}  // namespace sluice::io
