#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/runtime.h"

namespace sluice::io {

struct SystemOptions {
  /// Worker loops; 0: one per core.
  size_t workers = 0;
  /// Threads of the pool for blocking work.
  size_t pool_threads = 4;
  bool pin_workers = false;
  /// Both `automatic` and `uring` fall back to the thread pool where io_uring is refused (seccomp);
  /// whoever insists looks at uring_refusal().
  enum class DiskBackend : uint8_t {
    automatic,
    uring,
    threads
  } disk_backend = DiskBackend::automatic;
};

/// The real runtime: Asio epoll loops on threads of their own, posix files with io_uring or a
/// thread pool behind them, the machine's clock and randomness. Threads start in the constructor
/// and end in the destructor, which must not run on one of them.
class System {
 public:
  explicit System(SystemOptions options = {});
  ~System();
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  Runtime& runtime();
  /// Why io_uring is not used; empty when it is.
  const std::string& uring_refusal() const;

  /// Runs `task` on the control loop and blocks the calling thread (no loop) until it is done.
  void run(Task<void> task);
  /// Runs `task` on `loop`, blocks the calling thread (no loop) until it is done.
  void run_on(Loop& loop, Task<void> task);
  /// Blocks these signals for the whole process and calls `handler` on the control loop for each.
  /// Before the first System is made the caller must not have started threads.
  void on_signals(std::vector<int> signals, std::function<void(int)> handler);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::io
