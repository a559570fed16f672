#include "io/system.h"

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include <sys/signalfd.h>

#include <signal.h>
#include <unistd.h>

#include "base/check.h"
#include "io/asio/executor.h"
#include "io/asio/network.h"
#include "io/clock.h"
#include "io/posix/async_io.h"
#include "io/posix/disk.h"
#include "io/random.h"
#include "io/uring/uring_io.h"

namespace sluice::io {
namespace {

AsioExecutor::Options executor_options(const SystemOptions& options) {
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  return {.workers = options.workers > 0 ? options.workers : cores,
          .pool_threads = options.pool_threads,
          .pin_workers = options.pin_workers};
}

}  // namespace

struct System::Parts {
  explicit Parts(const SystemOptions& options)
      : uring_refusal(options.disk_backend == SystemOptions::DiskBackend::threads
                          ? "the thread pool is asked for"
                          : io::uring_refusal()),
        executor(executor_options(options), clock),
        threads(executor),
        uring(executor, threads),
        disk(uring_refusal.empty() ? static_cast<AsyncIo&>(uring) : threads) {}
  ~Parts() {
    executor.stop();
    signal_watch.reset();
    if (signal_descriptor >= 0) ::close(signal_descriptor);
  }

  const std::string uring_refusal;
  SystemClock clock;
  SystemRandom random;
  AsioExecutor executor;
  ThreadIo threads;
  UringIo uring;
  PosixDisk disk;
  AsioNetwork network{executor};
  SystemMemory memory;
  Runtime runtime{clock, random, disk, network, executor, memory};
  int signal_descriptor = -1;
  std::unique_ptr<DescriptorWatch> signal_watch;
};

System::System(SystemOptions options) : parts_(std::make_unique<Parts>(options)) {}
System::~System() = default;

Runtime& System::runtime() { return parts_->runtime; }
const std::string& System::uring_refusal() const { return parts_->uring_refusal; }

void System::run(Task<void> task) { run_on(parts_->executor.control(), std::move(task)); }

void System::run_on(Loop& loop, Task<void> task) {
  CHECK(Loop::current() == nullptr, "a loop's thread is not blocked");
  std::promise<void> done;
  start_detached([](Loop& on, Task<void> body, std::promise<void>& ended) -> Task<void> {
    co_await on.enter();
    co_await std::move(body);
    ended.set_value();
  }(loop, std::move(task), done));
  done.get_future().wait();
}

void System::on_signals(std::vector<int> signals, std::function<void(int)> handler) {
  CHECK(parts_->signal_descriptor < 0, "signals are asked for once");
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  // Our threads block all signals already; the caller's is the last that would take them.
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  const int descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  CHECK(descriptor >= 0, "the kernel has signalfd");
  parts_->signal_descriptor = descriptor;
  auto& loop = parts_->executor.control();
  run([](AsioLoop& control, Parts& parts, auto callback) -> Task<void> {
    parts.signal_watch =
        control.watch(parts.signal_descriptor, [fd = parts.signal_descriptor, callback] {
          signalfd_siginfo info{};
          while (read(fd, &info, sizeof info) == sizeof info) {
            callback(static_cast<int>(info.ssi_signo));
          }
        });
    co_return;
  }(loop, *parts_, std::move(handler)));
}

}  // namespace sluice::io
