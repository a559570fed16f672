#pragma once

#include <algorithm>
#include <cstddef>

#include "io/runtime.h"
#include "io/sync.h"
#include "io/task.h"

namespace sluice::storage {

/// Runs job(0) ... job(count - 1), at most `at_most` at once, spread over the worker loops; done
/// when all are, back on the caller's loop. For start and stop, when workers serve nobody.
template <class Job>
io::Task<void> run_on_workers(io::Executor& executor, size_t count, size_t at_most, Job job) {
  std::atomic<size_t> next{0};
  const auto lane = [](io::Loop& loop, std::atomic<size_t>& at, size_t end,
                       Job& run) -> io::Task<void> {
    co_await loop.enter();
    for (size_t i = at.fetch_add(1); i < end; i = at.fetch_add(1)) co_await run(i);
  };
  io::Scope scope;
  for (size_t i = 0; i < std::min(count, at_most); ++i)
    scope.start(lane(executor.worker(i % executor.workers()), next, count, job));
  co_await scope.join();
}

}  // namespace sluice::storage
