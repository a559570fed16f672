#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/time.h"
#include "io/asio/loop.h"
#include "io/blocking_pool.h"
#include "io/runtime.h"

namespace sluice::io {

/// Worker loops and the control loop on threads of their own, and the pool for what blocks.
class AsioExecutor final : public Executor {
 public:
  struct Options {
    size_t workers = 1;
    size_t pool_threads = 4;
    /// Each worker on a core of its own, spread over the NUMA nodes.
    bool pin_workers = false;
  };
  AsioExecutor(Options options, const Clock& clock);
  /// Stops when that was not done before; not from one of its threads.
  ~AsioExecutor() override;
  AsioExecutor(const AsioExecutor&) = delete;
  AsioExecutor& operator=(const AsioExecutor&) = delete;

  size_t workers() const override { return loops_.size() - 1; }
  AsioLoop& worker(size_t index) override;
  AsioLoop& control() override { return *loops_.back(); }
  AsioLoop& loop(size_t index) { return *loops_[index]; }

  /// Ends all threads. The loops stay, so that what belongs to them can be destroyed after.
  void stop();

 protected:
  void submit(std::move_only_function<void()> work) override;

 private:
  std::vector<std::unique_ptr<AsioLoop>> loops_;
  std::unique_ptr<BlockingPool> pool_;
  std::vector<std::thread> threads_;
};

}  // namespace sluice::io
