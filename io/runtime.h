#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/random.h"
#include "base/time.h"
#include "io/disk.h"
#include "io/loop.h"
#include "io/memory_probe.h"
#include "io/network.h"
#include "io/sync.h"
#include "io/task.h"

namespace sluice::io {

/// The threads of a node: worker loops, one control loop, and a pool for what blocks.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual size_t workers() const = 0;
  virtual Loop& worker(size_t index) = 0;
  /// For consensus and control, so that a blocked worker delays no tick. Its index is workers().
  virtual Loop& control() = 0;
  /// Workers and the control loop: how many metrics cells there must be.
  size_t loops() const { return workers() + 1; }

  /// Runs `work` off the loops and returns its result on the current loop.
  template <class F>
  Task<std::invoke_result_t<F&>> offload(F work) {
    using R = std::invoke_result_t<F&>;
    if constexpr (std::is_void_v<R>) {
      OneShot<bool> done;
      submit([&] {
        work();
        done.set(true);
      });
      co_await done;
    } else {
      OneShot<R> done;
      submit([&] { done.set(work()); });
      co_return co_await done;
    }
  }

 protected:
  /// Queues a blocking piece of work for the pool.
  virtual void submit(std::move_only_function<void()> work) = 0;
};

/// Everything a node takes from the world. The real one and the simulated one are the only two.
struct Runtime {
  Clock& clock;
  Random& random;
  Disk& disk;
  Network& network;
  Executor& executor;
  MemoryProbe& memory;
};

}  // namespace sluice::io
