#include "base/buffer_pool.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace sluice {
namespace {

struct BufferPoolTest : testing::Test {
  MemoryBudget budget{"broker", 64_MiB};
  SharedBuffers shared{budget, BufferPoolOptions{}};
  BufferPool pool{shared};
};

uintptr_t address(const Buffer& buffer) {
  return reinterpret_cast<uintptr_t>(buffer.bytes().data());
}

TEST_F(BufferPoolTest, GivesTheSmallestTierThatHoldsTheSize) {
  EXPECT_EQ(pool.take(0)->size(), 4_KiB);
  EXPECT_EQ(pool.take(4_KiB)->size(), 4_KiB);
  EXPECT_EQ(pool.take(4_KiB + 1)->size(), 64_KiB);
  EXPECT_EQ(pool.take(64_KiB + 1)->size(), 1_MiB);
  EXPECT_EQ(pool.take(1_MiB)->size(), 1_MiB);
}

TEST_F(BufferPoolTest, RoundsLargeSizesUpToPagesAndUnmapsThemAtOnce) {
  auto large = pool.take(1_MiB + 1);
  ASSERT_TRUE(large.has_value());
  EXPECT_EQ(large->size(), 1_MiB + 4_KiB);
  EXPECT_EQ(pool.stats().oversize_bytes, 1_MiB + 4_KiB);
  large->bytes().back() = std::byte{1};
  *large = Buffer();
  EXPECT_EQ(pool.stats().oversize_bytes, 0U);
  EXPECT_EQ(budget.used(), 0U);
}

TEST_F(BufferPoolTest, AlignsBuffersFrom64KiBOnToPages) {
  for (size_t size : {64_KiB, 1_MiB, 3_MiB}) {
    EXPECT_EQ(address(*pool.take(size)) % 4096, 0U) << size;
  }
}

TEST_F(BufferPoolTest, HandsOutTheBufferGivenBackLast) {
  auto first = pool.take(100).value();
  const auto was = address(first);
  first = Buffer();
  EXPECT_EQ(address(*pool.take(100)), was);
  EXPECT_EQ(pool.stats().hits, 1U);
  EXPECT_EQ(pool.stats().misses, 1U);
}

TEST_F(BufferPoolTest, KeepsTheBytesUntilTheLastCopyDies) {
  auto first = pool.take(100).value();
  first.bytes()[0] = std::byte{42};
  Buffer second = first;
  first = Buffer();
  EXPECT_EQ(pool.stats().in_use[0], 1U);
  EXPECT_EQ(second.bytes()[0], std::byte{42});
  Buffer third = std::move(second);
  third = Buffer();
  EXPECT_EQ(pool.stats().in_use[0], 0U);
  EXPECT_EQ(pool.stats().idle[0], 1U);
}

TEST_F(BufferPoolTest, ZeroesSensitiveBuffersWhenGivenBack) {
  for (size_t size : {size_t{100}, 64_KiB}) {
    auto secret = pool.take(size).value();
    std::ranges::fill(secret.bytes(), std::byte{0x5a});
    secret.mark_sensitive();
    const auto was = address(secret);
    secret = Buffer();
    const auto next = pool.take(size).value();
    ASSERT_EQ(address(next), was);
    EXPECT_TRUE(std::ranges::all_of(next.bytes(), [](std::byte b) { return b == std::byte{0}; }));
  }
}

TEST_F(BufferPoolTest, ForgetsThatABufferWasSensitiveOnceItIsZeroed) {
  pool.take(100)->mark_sensitive();
  {
    const auto plain = pool.take(100).value();
    plain.bytes()[0] = std::byte{7};
  }
  EXPECT_EQ(pool.take(100)->bytes()[0], std::byte{7});
}

TEST_F(BufferPoolTest, ChargesIdleBuffersUntilTrimmed) {
  {
    const auto some = pool.take(64_KiB).value();
  }
  const size_t used = budget.used();
  EXPECT_GE(used, 64_KiB);
  EXPECT_LE(used, 64_KiB + 128);
  EXPECT_EQ(pool.trim(), used);
  EXPECT_EQ(budget.used(), 0U);
}

TEST_F(BufferPoolTest, SendsWhatAnotherThreadGivesBackToTheOverflow) {
  auto buffer = pool.take(100).value();
  std::thread([moved = std::move(buffer)]() mutable { moved = Buffer(); }).join();
  EXPECT_EQ(pool.stats().in_use[0], 0U);
  EXPECT_EQ(pool.stats().idle[0], 0U);
  EXPECT_EQ(shared.idle()[0], 1U);
  const auto again = pool.take(100);
  EXPECT_EQ(shared.idle()[0], 0U);
  EXPECT_EQ(pool.stats().hits, 1U);
}

TEST(BufferPool, RefusesWhenTheBudgetIsSpentAndRecovers) {
  MemoryBudget budget("broker", 200_KiB);
  SharedBuffers shared(budget, {});
  BufferPool pool(shared);
  std::vector<Buffer> held;
  for (int i = 0; i < 3; ++i) held.push_back(pool.take(64_KiB).value());
  const auto refused = pool.take(64_KiB);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error(), Errc::out_of_memory);
  EXPECT_FALSE(pool.take(2_MiB).has_value());
  EXPECT_FALSE(pool.take(SIZE_MAX).has_value());
  held.pop_back();
  EXPECT_TRUE(pool.take(64_KiB).has_value());
}

TEST(BufferPool, GivesUpIdleBuffersOfOtherTiersBeforeItRefuses) {
  MemoryBudget budget("broker", 80_KiB);
  SharedBuffers shared(budget, {});
  BufferPool pool(shared);
  {
    std::vector<Buffer> small;
    for (int i = 0; i < 15; ++i) small.push_back(pool.take(4_KiB).value());
  }
  EXPECT_TRUE(pool.take(64_KiB).has_value());
}

TEST(BufferPool, BoundsWhatItAndTheOverflowKeep) {
  MemoryBudget budget("broker", 64_MiB);
  SharedBuffers shared(budget, {.local_free = {2, 2, 2}, .shared_free = {3, 3, 3}});
  BufferPool pool(shared);
  {
    std::vector<Buffer> held;
    for (int i = 0; i < 10; ++i) held.push_back(pool.take(64_KiB).value());
  }
  EXPECT_EQ(pool.stats().idle[1], 2U);
  EXPECT_EQ(shared.idle()[1], 3U);
  EXPECT_LE(budget.used(), 5 * (64_KiB + 128));
}

TEST(BufferPool, LetsBuffersOutliveItButNotTheOverflow) {
  MemoryBudget budget("broker", 1_MiB);
  SharedBuffers shared(budget, {});
  Buffer kept;
  {
    BufferPool pool(shared);
    kept = pool.take(100).value();
  }
  kept.bytes()[0] = std::byte{1};
  kept = Buffer();
  EXPECT_EQ(shared.idle()[0], 1U);
}

TEST_F(BufferPoolTest, GrowsAheadWhenMoreThan80PercentAreInUse) {
  std::vector<Buffer> held;
  for (int i = 0; i < 8; ++i) held.push_back(pool.take(100).value());
  pool.rebalance();
  EXPECT_EQ(pool.stats().idle[0], 2U);
  const auto misses = pool.stats().misses;
  held.push_back(pool.take(100).value());
  EXPECT_EQ(pool.stats().misses, misses);
}

TEST_F(BufferPoolTest, LetsGoWhenLessThan30PercentWereInUse) {
  std::vector<Buffer> held;
  for (int i = 0; i < 40; ++i) held.push_back(pool.take(100).value());
  held.resize(4);
  pool.rebalance();  // the peak was 40 of 40: room for 10 more
  EXPECT_EQ(pool.stats().idle[0], 46U);
  pool.rebalance();
  EXPECT_EQ(pool.stats().idle[0], 1U);
  EXPECT_EQ(shared.idle()[0], 45U);
}

TEST_F(BufferPoolTest, CanBeHandedToAnotherThread) {
  {
    const auto some = pool.take(100);
  }
  std::thread([this] {
    pool.adopt();
    const auto some = pool.take(100);
    EXPECT_EQ(pool.stats().hits, 1U);
  }).join();
  EXPECT_EQ(pool.stats().idle[0], 1U);
}

using BufferPoolDeathTest = BufferPoolTest;

TEST_F(BufferPoolDeathTest, DiesWhenAForeignThreadTakes) {
  {
    const auto some = pool.take(100);
  }
  EXPECT_DEATH(std::thread([this] { (void)pool.take(100); }).join(), "the worker that owns it");
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
TEST_F(BufferPoolDeathTest, TrapsAccessToIdleBytes) {
  const std::byte* data = nullptr;
  {
    data = pool.take(64_KiB)->bytes().data();
  }
  EXPECT_DEATH(std::printf("%d", static_cast<int>(data[10])), "use-after-poison");
}
#endif
#endif

/// Hands buffers from the threads that take them to whoever comes next.
class Exchange {
 public:
  Buffer swap(Buffer buffer) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(buffer));
    if (waiting_.size() < 32) return {};
    Buffer oldest = std::move(waiting_.front());
    waiting_.pop_front();
    return oldest;
  }

 private:
  std::mutex mutex_;
  std::deque<Buffer> waiting_;
};

void take_and_pass_on(SharedBuffers& shared, Exchange& exchange, uint64_t seed) {
  SeededRandom random(seed);
  BufferPool pool(shared);
  for (int i = 0; i < 3'000; ++i) {
    auto buffer = pool.take(random.below(100) == 0 ? 1_MiB + 1 : random.below(70'000));
    if (!buffer) continue;
    if (random.one_in(10)) buffer->mark_sensitive();
    std::ranges::fill(buffer->bytes().first(64), static_cast<std::byte>(seed));
    const Buffer received = exchange.swap(*buffer);
    if (!received) continue;
    const std::byte writer = received.bytes()[0];
    const auto first = received.bytes().first(64);
    ASSERT_TRUE(std::ranges::all_of(first, [&](std::byte b) { return b == writer; }));
    if (random.one_in(100)) pool.rebalance();
  }
}

TEST(BufferPool, KeepsBytesApartWhenThreadsExchangeBuffers) {
  MemoryBudget budget("broker", 8_MiB);
  {
    SharedBuffers shared(budget, {.local_free = {8, 4, 1}, .shared_free = {8, 4, 1}});
    Exchange exchange;
    std::vector<std::thread> threads;
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      threads.emplace_back([&, seed] { take_and_pass_on(shared, exchange, seed); });
    }
    for (auto& thread : threads) thread.join();
  }
  EXPECT_EQ(budget.used(), 0U);
}

}  // namespace
}  // namespace sluice
