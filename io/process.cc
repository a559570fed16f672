#include "io/process.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>

#include <time.h>

#include "io/system_files.h"

namespace sluice::io {
namespace {

std::atomic<bool> interrupt_seen = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch it");

void note_interrupt(int) { interrupt_seen.store(true, std::memory_order_relaxed); }

Duration from_timeval(const timeval& value) {
  return std::chrono::seconds(value.tv_sec) + std::chrono::microseconds(value.tv_usec);
}

}  // namespace

Duration process_cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return from_timeval(usage.ru_utime) + from_timeval(usage.ru_stime);
}

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return FD_SETSIZE;
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return before;
  return limit.rlim_cur;
}

size_t map_limit() {
  constexpr size_t kOfLinux = 65'530;
  const auto text = SystemFiles().read("/proc/sys/vm/max_map_count");
  const size_t limit = text ? std::strtoull(text->c_str(), nullptr, 10) : 0;
  return limit == 0 ? kOfLinux : limit;
}

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = note_interrupt;
  // No SA_RESTART: a read that waits must come back.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool interrupted() { return interrupt_seen.load(std::memory_order_relaxed); }

void block_until(TimePoint at) {
  // The usual 50 us of slack would be most of what is measured.
  static thread_local const int least_slack = ::prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  static_cast<void>(least_slack);
  const auto since = at.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  timespec when{};
  when.tv_sec = seconds.count();
  when.tv_nsec = (since - seconds).count();
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) == EINTR) {
    if (interrupted()) return;
  }
}

void run_on_threads(size_t count, const std::function<void(size_t index)>& work) {
  std::vector<std::jthread> threads;
  threads.reserve(count);
  for (size_t i = 0; i < count; ++i) threads.emplace_back([&work, i] { work(i); });
}

}  // namespace sluice::io
