#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <signal.h>

namespace sluice::io {

/// Threads for what blocks: first in, first out. submit() from any thread.
class BlockingPool {
 public:
  explicit BlockingPool(size_t threads);
  /// Finishes all that was submitted: who submitted still waits for it.
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  void submit(std::move_only_function<void()> work);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> queue_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

/// While it lives, the calling thread takes no signal that does not tell of a fault of its own, and
/// neither do, for good, the threads that it starts: signals reach only who asks for them, and a
/// write to a closed socket is EPIPE everywhere (sendfile has no MSG_NOSIGNAL). A thread that
/// blocked them itself would take those that come while it starts.
class SignalsBlocked {
 public:
  SignalsBlocked();
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

/// Shown by ps, top and perf; cut to 15 bytes.
void name_thread(const char* name);

}  // namespace sluice::io
