#include "io/system.h"

#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/numa.h"
#include "io/random.h"

namespace sluice::io {
namespace {

TEST(System, RunsTasksOnTheLoopThatIsAskedFor) {
  System system({.workers = 2});
  Executor& executor = system.runtime().executor;
  EXPECT_EQ(executor.workers(), 2u);
  EXPECT_EQ(executor.loops(), 3u);
  const auto expect_current = [](Loop& expected) -> Task<void> {
    EXPECT_EQ(Loop::current(), &expected);
    co_return;
  };
  system.run(expect_current(executor.control()));
  system.run_on(executor.worker(1), expect_current(executor.worker(1)));
  EXPECT_EQ(executor.control().index(), 2u);
}

TEST(System, OffloadedWorkRunsOnNoLoop) {
  System system({.workers = 1});
  system.run([](Executor& executor) -> Task<void> {
    EXPECT_EQ(co_await executor.offload([] { return Loop::current(); }), nullptr);
    EXPECT_EQ(Loop::current(), &executor.control());
  }(system.runtime().executor));
}

TEST(System, PinnedWorkersStayOnOneCore) {
  System system({.workers = 3, .pin_workers = true});
  system.run_on(system.runtime().executor.worker(2), []() -> Task<void> {
    cpu_set_t cores;
    EXPECT_EQ(pthread_getaffinity_np(pthread_self(), sizeof cores, &cores), 0);
    EXPECT_EQ(CPU_COUNT(&cores), 1);
    co_return;
  }());
  EXPECT_GE(numa::node_count(), 1u);
}

TEST(System, HandsSignalsToTheControlLoop) {
  System system({.workers = 1});
  OneShot<int> received;
  system.on_signals({SIGUSR1, SIGUSR2}, [&](int signal) {
    EXPECT_EQ(Loop::current(), &system.runtime().executor.control());
    if (signal == SIGUSR2) received.set(signal);
  });
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR2);
  system.run([](OneShot<int>& shot) -> Task<void> {
    const int signal = co_await shot;
    EXPECT_EQ(signal, SIGUSR2);
  }(received));
}

TEST(System, NamesTheReasonWhyItUsesNoRing) {
  System system({.workers = 1, .disk_backend = SystemOptions::DiskBackend::threads});
  EXPECT_EQ(system.uring_refusal(), "the thread pool is asked for");
}

TEST(SystemClock, TellsWallAndMonotonicTimeApart) {
  const SystemClock clock;
  const TimePoint first = clock.now();
  EXPECT_GE(clock.now(), first);
  EXPECT_GT(clock.wall_now(), Timestamp(1'700'000'000'000));
}

TEST(SystemRandom, DiffersBetweenDrawsAndThreads) {
  SystemRandom random;
  std::set<uint64_t> seen;
  for (int i = 0; i < 100; ++i) seen.insert(random.next());
  uint64_t elsewhere = 0;
  std::thread([&] { elsewhere = random.next(); }).join();
  seen.insert(elsewhere);
  EXPECT_EQ(seen.size(), 101u);
}

}  // namespace
}  // namespace sluice::io
