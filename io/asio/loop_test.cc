#include "io/asio/loop.h"

#include <vector>

#include <sys/eventfd.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/sync.h"

namespace sluice::io {
namespace {

/// A loop that runs on the test's thread until the task is done.
class LoopTest : public testing::Test {
 protected:
  void run(Task<void> task) {
    start_detached([](AsioLoop& loop, Task<void> body) -> Task<void> {
      co_await loop.enter();
      co_await std::move(body);
      loop.stop();
    }(loop_, std::move(task)));
    loop_.run();
  }
  SystemClock clock_;
  AsioLoop loop_{3, clock_};
};

TEST_F(LoopTest, KnowsItselfOnlyWhileItRuns) {
  EXPECT_EQ(Loop::current(), nullptr);
  EXPECT_EQ(loop_.index(), 3u);
  run([](Loop& loop) -> Task<void> {
    EXPECT_EQ(Loop::current(), &loop);
    co_return;
  }(loop_));
  EXPECT_EQ(Loop::current(), nullptr);
}

Task<void> note(std::vector<int>& order, int number, Duration after) {
  co_await sleep_for(after);
  order.push_back(number);
}

TEST_F(LoopTest, SleepersWakeInOrder) {
  run([]() -> Task<void> {
    std::vector<int> order;
    Scope scope;
    scope.start(note(order, 3, 3ms));
    scope.start(note(order, 1, 1ms));
    scope.start(note(order, 2, 2ms));
    scope.start(note(order, 0, -1ms));
    co_await scope.join();
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
  }());
}

TEST_F(LoopTest, TimeStandsStillWithinATurnAndMovesBetween) {
  run([](Loop& loop, const Clock& clock) -> Task<void> {
    const TimePoint start = loop.now();
    while (clock.now() == start) {
    }
    EXPECT_EQ(loop.now(), start);
    co_await sleep_for(0ns);
    EXPECT_GT(loop.now(), start);
  }(loop_, clock_));
}

class Count final : public Timer {
 public:
  void fire() override { ++fired; }
  int fired = 0;
};

TEST_F(LoopTest, TimersFireOnceUnlessDisarmed) {
  run([](Loop& loop) -> Task<void> {
    Count fires, disarmed, moved;
    loop.arm(fires, loop.now() + 1ms);
    loop.arm(disarmed, loop.now() + 1ms);
    loop.arm(moved, loop.now() + 1ms);
    loop.arm(moved, loop.now() + 1h);
    loop.disarm(disarmed);
    co_await sleep_for(5ms);
    EXPECT_EQ(fires.fired, 1);
    EXPECT_EQ(disarmed.fired, 0);
    EXPECT_EQ(moved.fired, 0);
    loop.disarm(moved);
  }(loop_));
}

Task<void> yield_until(bool& stop) {
  while (!stop) co_await Loop::current()->yield();
}

TEST_F(LoopTest, WhoYieldsInCirclesLeavesTimersAndDescriptorsTheirTurn) {
  run([](AsioLoop& loop) -> Task<void> {
    const int descriptor = eventfd(0, EFD_NONBLOCK);
    bool stop = false;
    OneShot<bool> readable;
    auto watch = loop.watch(descriptor, [&] {
      uint64_t count = 0;
      if (read(descriptor, &count, sizeof count) > 0) readable.set(true);
    });
    Scope scope;
    scope.start(yield_until(stop));
    co_await sleep_for(1ms);
    const uint64_t one = 1;
    EXPECT_EQ(write(descriptor, &one, sizeof one), 8);
    co_await readable;
    stop = true;
    co_await scope.join();
    watch.reset();
    ::close(descriptor);
  }(loop_));
}

class Hook final : public TurnEnd {
 public:
  void turn_ended() override { ++calls; }
  int calls = 0;
};

TEST_F(LoopTest, TurnEndsAreToldOnceAfterWhatIsReady) {
  run([](AsioLoop& loop) -> Task<void> {
    Hook hook;
    loop.at_turn_end(hook);
    EXPECT_EQ(hook.calls, 0);
    co_await sleep_for(1ms);
    EXPECT_EQ(hook.calls, 1);
    co_await sleep_for(1ms);
    EXPECT_EQ(hook.calls, 1);
  }(loop_));
}

}  // namespace
}  // namespace sluice::io
