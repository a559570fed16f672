#include "io/blocking_pool.h"

#include <string>
#include <utility>

#include <pthread.h>
#include <signal.h>

#include "base/check.h"

namespace sluice::io {

BlockingPool::BlockingPool(size_t threads) {
  CHECK(threads > 0, "a pool has a thread");
  threads_.reserve(threads);
  const SignalsBlocked blocked;
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, i] {
      name_thread(("blocking-" + std::to_string(i)).c_str());
      run();
    });
  }
}

BlockingPool::~BlockingPool() {
  {
    std::lock_guard guard(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void BlockingPool::submit(std::move_only_function<void()> work) {
  {
    std::lock_guard guard(mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void BlockingPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    {
      auto work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
    }
    lock.lock();
  }
}

SignalsBlocked::SignalsBlocked() {
  sigset_t signals;
  sigfillset(&signals);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF}) {
    sigdelset(&signals, fault);
  }
  pthread_sigmask(SIG_BLOCK, &signals, &before_);
}

SignalsBlocked::~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

void name_thread(const char* name) {
  pthread_setname_np(pthread_self(), std::string(name).substr(0, 15).c_str());
}

}  // namespace sluice::io
