#include "io/timer_queue.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::io {
namespace {

class Nothing final : public Timer {
 public:
  void fire() override {}
};

TimePoint at(int milliseconds) { return TimePoint(std::chrono::milliseconds(milliseconds)); }

TEST(TimerQueue, FiresInOrderOfTimeThenOfArming) {
  TimerQueue queue;
  std::array<Nothing, 4> timers;
  queue.arm(timers[0], at(5));
  queue.arm(timers[1], at(3));
  queue.arm(timers[2], at(5));
  queue.arm(timers[3], at(1));
  EXPECT_EQ(queue.next(), at(1));
  std::vector<Timer*> order;
  while (Timer* timer = queue.take_due(at(5))) order.push_back(timer);
  EXPECT_EQ(order, (std::vector<Timer*>{&timers[3], &timers[1], &timers[0], &timers[2]}));
  EXPECT_FALSE(timers[0].armed());
}

TEST(TimerQueue, TakesNothingBeforeItsTime) {
  TimerQueue queue;
  Nothing timer;
  EXPECT_EQ(queue.next(), std::nullopt);
  queue.arm(timer, at(5));
  EXPECT_EQ(queue.take_due(at(4)), nullptr);
  EXPECT_TRUE(timer.armed());
  EXPECT_EQ(queue.take_due(at(5)), &timer);
}

TEST(TimerQueue, ArmingAgainMovesATimer) {
  TimerQueue queue;
  Nothing timer;
  queue.arm(timer, at(1));
  queue.arm(timer, at(9));
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.take_due(at(8)), nullptr);
  EXPECT_EQ(queue.take_due(at(9)), &timer);
}

TEST(TimerQueue, ADisarmedTimerDoesNotFire) {
  TimerQueue queue;
  Nothing timer;
  queue.disarm(timer);
  queue.arm(timer, at(1));
  queue.disarm(timer);
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(queue.take_due(at(9)), nullptr);
}

}  // namespace
}  // namespace sluice::io
