#include "client/producer/memory_pool.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/simulator.h"

namespace sluice::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class MemoryPoolTest : public testing::Test {
 protected:
  io::Loop& loop() { return node_.runtime().executor.worker(0); }
  TimePoint in(Duration time) { return node_.clock().now() + time; }
  Result<PooledBytes> take(size_t size, Duration time) {
    return sim_.run_on(loop(), pool_.take(size, in(time)));
  }
  /// Waits in the background; its name goes to `served_` once it has its bytes, which it keeps for
  /// `hold`.
  void start_waiting(std::string name, size_t size, Duration hold, Duration limit = 1h) {
    ++running_;
    sim_.start_on(loop(), wait(std::move(name), size, hold, in(limit)));
    sim_.run_for(1ms);
  }
  io::Task<void> wait(std::string name, size_t size, Duration hold, TimePoint deadline) {
    auto bytes = co_await pool_.take(size, deadline);
    served_.push_back(bytes ? name : name + " refused");
    co_await io::sleep_for(hold);
    --running_;
  }
  bool all_done() {
    return sim_.run_until([this] { return running_ == 0; }, 10min);
  }

  sim::Simulator sim_{3};
  sim::SimNode& node_ = sim_.add_node("app");
  MemoryPool pool_{1000, 100};
  std::vector<std::string> served_;
  int running_ = 0;
};

TEST_F(MemoryPoolTest, HandsOutItsTotalAndNotAByteMore) {
  auto most = pool_.try_take(901);
  EXPECT_FALSE(pool_.try_take(100));
  auto rest = pool_.try_take(99);
  EXPECT_TRUE(rest);
  EXPECT_EQ(pool_.used(), 1000u);
}

TEST_F(MemoryPoolTest, UsesBuffersAgain) {
  const auto* first = pool_.try_take(100)->bytes().data();
  auto again = pool_.try_take(100);
  EXPECT_EQ(again->bytes().data(), first);
  EXPECT_EQ(pool_.used(), 100u);
}

TEST_F(MemoryPoolTest, RefusesAtOnceWhatCanNeverFit) {
  const auto refused = take(1001, 1h);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::batch_too_large);
}

TEST_F(MemoryPoolTest, SaysHowFullItWasWhenTheTimeIsOver) {
  auto held = pool_.try_take(950);
  const auto refused = take(100, 20ms);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::timed_out);
  EXPECT_THAT(refused.error().message(), HasSubstr("950 of 1000"));
  EXPECT_EQ(pool_.waiters(), 0u);
}

TEST_F(MemoryPoolTest, ServesThoseWhoWaitInTheirOrder) {
  auto held = pool_.try_take(1000);
  start_waiting("large", 800, 1ms);
  start_waiting("small", 500, 1ms);
  start_waiting("medium", 600, 1ms);
  EXPECT_FALSE(pool_.try_take(1)) << "nobody overtakes";
  held.reset();
  EXPECT_TRUE(all_done());
  EXPECT_THAT(served_, ElementsAre("large", "small", "medium"));
}

TEST_F(MemoryPoolTest, WhoGivesUpLetsThoseBehindGoOn) {
  auto held = pool_.try_take(600);
  start_waiting("large", 800, 1ms, 10ms);
  start_waiting("small", 100, 1ms);
  EXPECT_TRUE(all_done());
  EXPECT_THAT(served_, ElementsAre("large refused", "small"));
}

TEST_F(MemoryPoolTest, MixedSizesOnAFullPoolAllGetTheirTurn) {
  SeededRandom random(5);
  for (int i = 0; i < 300; ++i) {
    const size_t size = random.one_in(2) ? 100 : 1 + random.below(1000);
    start_waiting(std::to_string(i), size, Duration(random.below(5'000'000)));
  }
  EXPECT_TRUE(all_done());
  EXPECT_EQ(served_.size(), 300u);
  EXPECT_EQ(pool_.used(), 0u);
}

TEST_F(MemoryPoolTest, MovedBytesAreGivenBackOnce) {
  PooledBytes kept;
  {
    auto bytes = pool_.try_take(300);
    kept = std::move(*bytes);
  }
  EXPECT_EQ(pool_.used(), 300u);
  kept = PooledBytes();
  EXPECT_EQ(pool_.used(), 0u);
}

}  // namespace
}  // namespace sluice::client
