#include "broker/server/deadlines.h"

#include <deque>

#include <gtest/gtest.h>

#include "tests/sim/simulator.h"

namespace sluice::broker {
namespace {

class TestDeadline final : public Deadline {
 public:
  explicit TestDeadline(io::Loop& loop) : loop_(loop) {}
  TimePoint due(TimePoint) const override { return at; }
  void expired() override {
    expired_at = loop_.now();
    if (on_expired) on_expired();
  }
  TimePoint at{};
  std::optional<TimePoint> expired_at;
  std::function<void()> on_expired;

 private:
  io::Loop& loop_;
};

class DeadlineWheelTest : public testing::Test {
 protected:
  static constexpr Duration kTick = 10ms;
  TestDeadline& add(Duration in) {
    auto& deadline = deadlines.emplace_back(loop);
    deadline.at = loop.now() + in;
    wheel.add(deadline);
    return deadline;
  }
  sim::Simulator sim{1};
  io::Loop& loop = sim.add_node("node").executor().worker(0);
  DeadlineWheel wheel{loop, kTick};
  std::deque<TestDeadline> deadlines;
};

TEST_F(DeadlineWheelTest, ExpiresWithinATickOfBeingDue) {
  for (const auto in : {0ms, 1ms, 10ms, 11ms, 99ms, 100ms, 5'119ms, 5'120ms, 5'121ms, 20'000ms}) {
    add(in);
  }
  sim.run_for(30s);
  for (const auto& deadline : deadlines) {
    ASSERT_TRUE(deadline.expired_at);
    EXPECT_GE(*deadline.expired_at, deadline.at);
    EXPECT_LE(*deadline.expired_at, deadline.at + kTick + 1ms);
  }
}

TEST_F(DeadlineWheelTest, FilesAgainWhatMovedAway) {
  auto& deadline = add(50ms);
  sim.run_for(40ms);
  deadline.at += 100ms;
  sim.run_for(50ms);
  EXPECT_FALSE(deadline.expired_at);
  sim.run_for(100ms);
  EXPECT_TRUE(deadline.expired_at);
}

TEST_F(DeadlineWheelTest, HeedsWhatMovedUp) {
  auto& deadline = add(1s);
  deadline.at = loop.now() + 50ms;
  wheel.moved_up(deadline);
  sim.run_for(70ms);
  EXPECT_TRUE(deadline.expired_at);
}

TEST_F(DeadlineWheelTest, ForgetsWhatIsRemovedEvenByOneThatExpires) {
  auto& first = add(50ms);
  auto& second = add(50ms);
  first.on_expired = [&] { wheel.remove(second); };
  second.on_expired = [&] { wheel.remove(first); };
  sim.run_for(1s);
  EXPECT_NE(first.expired_at.has_value(), second.expired_at.has_value());
}

TEST_F(DeadlineWheelTest, TakesWorkAgainAfterItWasEmpty) {
  add(50ms);
  sim.run_for(10s);
  auto& late = add(50ms);
  sim.run_for(70ms);
  EXPECT_TRUE(late.expired_at);
}

}  // namespace
}  // namespace sluice::broker
