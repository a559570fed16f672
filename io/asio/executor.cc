#include "io/asio/executor.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "io/numa.h"

namespace sluice::io {

AsioExecutor::AsioExecutor(Options options, const Clock& clock)
    : pool_(std::make_unique<BlockingPool>(options.pool_threads)) {
  CHECK(options.workers > 0, "an executor has a worker");
  for (size_t i = 0; i <= options.workers; ++i) {
    loops_.push_back(std::make_unique<AsioLoop>(i, clock));
  }
  const SignalsBlocked blocked;
  for (size_t i = 0; i <= options.workers; ++i) {
    threads_.emplace_back([this, i, pin = options.pin_workers && i < options.workers] {
      const bool is_control = i == workers();
      name_thread(is_control ? "control" : ("worker-" + std::to_string(i)).c_str());
      if (pin) numa::bind_thread_to_core(i);
      loops_[i]->run();
    });
  }
}

AsioExecutor::~AsioExecutor() { stop(); }

AsioLoop& AsioExecutor::worker(size_t index) {
  CHECK(index < workers(), "the worker exists");
  return *loops_[index];
}

void AsioExecutor::stop() {
  for (auto& loop : loops_) loop->stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  pool_.reset();
}

void AsioExecutor::submit(std::move_only_function<void()> work) { pool_->submit(std::move(work)); }

}  // namespace sluice::io
