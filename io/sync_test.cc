#include "io/sync.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "io/system.h"

namespace sluice::io {
namespace {

class SyncTest : public testing::Test {
 protected:
  System system_{{.workers = 2, .pool_threads = 2}};
  Executor& executor_ = system_.runtime().executor;
};

TEST_F(SyncTest, OneShotHandsOverFromAnyThread) {
  system_.run([](Executor& executor) -> Task<void> {
    for (int i = 0; i < 2'000; ++i) {
      const int squared = co_await executor.offload([i] { return i * i; });
      EXPECT_EQ(squared, i * i);
      co_await executor.offload([] {});
    }
  }(executor_));
}

TEST_F(SyncTest, OneShotKeepsAValueThatCameBeforeTheWaiter) {
  system_.run([]() -> Task<void> {
    OneShot<std::unique_ptr<int>> shot;
    shot.set(std::make_unique<int>(5));
    const auto value = co_await shot;
    EXPECT_EQ(*value, 5);
  }());
}

Task<void> hop(Executor& executor, int times) {
  for (int i = 0; i < times; ++i) {
    Loop& loop = executor.worker(static_cast<size_t>(i % 2));
    co_await loop.enter();
    EXPECT_EQ(Loop::current(), &loop);
  }
}

TEST_F(SyncTest, CoroutinesMoveBetweenLoops) {
  system_.run([](Executor& executor) -> Task<void> {
    Scope scope;
    for (int i = 0; i < 20; ++i) scope.start(hop(executor, 500));
    co_await scope.join();
  }(executor_));
}

TEST_F(SyncTest, PostsFromManyThreadsAllArrive) {
  struct State {
    std::atomic<int> arrived{0};
    OneShot<bool> all;
  } state;
  constexpr int kThreads = 4, kEach = 2'000;
  const auto arrive = [](Loop& loop, State& shared) -> Task<void> {
    co_await loop.enter();
    if (shared.arrived.fetch_add(1) + 1 == kThreads * kEach) shared.all.set(true);
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) start_detached(arrive(executor_.worker(0), state));
    });
  }
  system_.run([](State& shared) -> Task<void> { co_await shared.all; }(state));
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(state.arrived.load(), kThreads * kEach);
}

TEST_F(SyncTest, SignalWakesAllWhoWait) {
  system_.run([](Executor& executor) -> Task<void> {
    Signal signal;
    Scope scope;
    const uint64_t ticket = signal.ticket();
    for (size_t i = 0; i < 10; ++i) {
      scope.start([](Signal& on, uint64_t since, Loop& loop) -> Task<void> {
        co_await loop.enter();
        EXPECT_TRUE(co_await on.wait(since));
      }(signal, ticket, executor.worker(i % 2)));
    }
    signal.notify_all();
    co_await scope.join();
    EXPECT_TRUE(co_await signal.wait(ticket)) << "a notify in between is not missed";
  }(executor_));
}

TEST_F(SyncTest, SignalEndsAtTheDeadline) {
  system_.run([]() -> Task<void> {
    Signal signal;
    const TimePoint deadline = Loop::current()->now() + 1ms;
    EXPECT_FALSE(co_await signal.wait(signal.ticket(), deadline));
    EXPECT_GE(Loop::current()->now(), deadline);
    EXPECT_FALSE(co_await signal.wait(signal.ticket(), TimePoint{}));
  }());
}

/// Waits with deadlines that race with the notifies, until there were `notifies`.
Task<void> follow(Signal& signal, std::atomic<uint64_t>& value, uint64_t last, Loop& loop) {
  co_await loop.enter();
  for (int turn = 0; true; ++turn) {
    const uint64_t ticket = signal.ticket();
    if (value.load() == last) co_return;
    std::optional<TimePoint> deadline;
    if (turn % 2 == 0) deadline = loop.now() + std::chrono::microseconds(turn % 50);
    co_await signal.wait(ticket, deadline);
  }
}

TEST_F(SyncTest, SignalLosesNoNotifyUnderRaces) {
  constexpr uint64_t kLast = 5'000;
  Signal signal;
  std::atomic<uint64_t> value{0};
  std::thread notifier([&] {
    while (value.load() < kLast) {
      value.fetch_add(1);
      signal.notify_all();
    }
  });
  system_.run([](Executor& executor, Signal& on, std::atomic<uint64_t>& of) -> Task<void> {
    Scope scope;
    for (size_t i = 0; i < 8; ++i) scope.start(follow(on, of, kLast, executor.worker(i % 2)));
    co_await scope.join();
  }(executor_, signal, value));
  notifier.join();
}

Task<void> count_under(AsyncMutex& mutex, int& counter, Loop& loop) {
  co_await loop.enter();
  for (int i = 0; i < 200; ++i) {
    const auto lock = co_await mutex.lock();
    const int before = counter;
    co_await loop.yield();
    counter = before + 1;
  }
}

TEST_F(SyncTest, AsyncMutexExcludesAcrossLoopsAndSuspensions) {
  system_.run([](Executor& executor) -> Task<void> {
    AsyncMutex mutex;
    int counter = 0;
    Scope scope;
    for (size_t i = 0; i < 8; ++i) {
      scope.start(count_under(mutex, counter, executor.worker(i % 2)));
    }
    co_await scope.join();
    EXPECT_EQ(counter, 8 * 200);
    auto lock = mutex.try_lock();
    EXPECT_TRUE(lock.has_value());
    EXPECT_FALSE(mutex.try_lock().has_value());
    lock->unlock();
    EXPECT_TRUE(mutex.try_lock().has_value());
  }(executor_));
}

Task<void> pass_through(Semaphore& semaphore, std::atomic<int>& inside, Loop& loop) {
  co_await loop.enter();
  for (int i = 0; i < 100; ++i) {
    co_await semaphore.acquire();
    EXPECT_LE(inside.fetch_add(1) + 1, 3);
    co_await loop.yield();
    inside.fetch_sub(1);
    semaphore.release();
  }
}

TEST_F(SyncTest, SemaphoreLetsInAsManyAsItHasPermits) {
  system_.run([](Executor& executor) -> Task<void> {
    Semaphore semaphore(3);
    std::atomic<int> inside{0};
    Scope scope;
    for (size_t i = 0; i < 10; ++i) {
      scope.start(pass_through(semaphore, inside, executor.worker(i % 2)));
    }
    co_await scope.join();
    EXPECT_TRUE(semaphore.try_acquire());
    EXPECT_TRUE(semaphore.try_acquire());
    EXPECT_TRUE(semaphore.try_acquire());
    EXPECT_FALSE(semaphore.try_acquire());
  }(executor_));
}

TEST_F(SyncTest, ScopeWaitsForChildrenStartedByChildren) {
  system_.run([](Executor& executor) -> Task<void> {
    std::atomic<int> ended{0};
    Scope scope;
    for (int i = 0; i < 50; ++i) {
      scope.start([](Scope& owner, std::atomic<int>& done, Executor& on) -> Task<void> {
        owner.start([](std::atomic<int>& count, Loop& loop) -> Task<void> {
          co_await loop.enter();
          count.fetch_add(1);
        }(done, on.worker(1)));
        co_return;
      }(scope, ended, executor));
    }
    co_await scope.join();
    EXPECT_EQ(ended.load(), 50);
    EXPECT_EQ(scope.running(), 0u);
    co_await scope.join();
  }(executor_));
}

}  // namespace
}  // namespace sluice::io
