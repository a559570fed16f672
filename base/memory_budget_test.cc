#include "base/memory_budget.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace sluice {
namespace {

TEST(MemoryBudget, ReservesUpToItsCapAndNotAByteMore) {
  MemoryBudget budget("broker", 100);
  auto all = budget.reserve(100);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(budget.used(), 100U);
  const auto refused = budget.reserve(1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error(), Errc::out_of_memory);
  EXPECT_FALSE(refused.error().has_detail());
  EXPECT_EQ(budget.refusals(), 1U);
}

TEST(MemoryBudget, RefusesSizesThatWouldOverflowTheCount) {
  MemoryBudget budget("broker", 100);
  const auto some = budget.reserve(60);
  EXPECT_FALSE(budget.try_take(SIZE_MAX));
  EXPECT_FALSE(budget.try_take(SIZE_MAX - 59));
  EXPECT_EQ(budget.used(), 60U);
}

TEST(MemoryBudget, GivesBackWhenTheReservationDies) {
  MemoryBudget budget("broker", 100);
  {
    const auto some = budget.reserve(70);
  }
  EXPECT_EQ(budget.used(), 0U);
  EXPECT_EQ(budget.peak(), 70U);
}

TEST(MemoryBudget, ChargesEveryAncestor) {
  MemoryBudget root("broker", 100);
  MemoryBudget& child = root.child("connections", 50);
  MemoryBudget& grandchild = child.child("tls", 20);
  const auto some = grandchild.reserve(15);
  EXPECT_EQ(grandchild.used(), 15U);
  EXPECT_EQ(child.used(), 15U);
  EXPECT_EQ(root.used(), 15U);
}

TEST(MemoryBudget, TakesNothingAnywhereWhenAnAncestorRefuses) {
  MemoryBudget root("broker", 100);
  MemoryBudget& child = root.child("connections", 50);
  const auto others = root.reserve(80);
  EXPECT_FALSE(child.reserve(30).has_value());
  EXPECT_EQ(child.used(), 0U);
  EXPECT_EQ(child.peak(), 0U);
  EXPECT_EQ(root.used(), 80U);
  EXPECT_EQ(root.refusals(), 1U);
}

TEST(MemoryBudget, HoldsAChildToItsOwnCeiling) {
  MemoryBudget root("broker", 100);
  MemoryBudget& child = root.child("connections", 10);
  EXPECT_FALSE(child.reserve(11).has_value());
  EXPECT_EQ(child.refusals(), 1U);
  EXPECT_EQ(root.refusals(), 0U);
}

TEST(MemoryBudget, CutsAChildsCeilingToItsOwn) {
  MemoryBudget root("broker", 100);
  EXPECT_EQ(root.child("connections", 1000).cap(), 100U);
}

TEST(Reservation, GrowsAsAWholeOrNotAtAll) {
  MemoryBudget budget("broker", 100);
  auto some = budget.reserve(60).value();
  EXPECT_FALSE(some.grow(41).has_value());
  EXPECT_EQ(some.size(), 60U);
  EXPECT_TRUE(some.grow(40).has_value());
  EXPECT_EQ(some.size(), 100U);
  some.shrink_to(25);
  EXPECT_EQ(budget.used(), 25U);
}

TEST(Reservation, MovesWithoutGivingBackTwice) {
  MemoryBudget budget("broker", 100);
  auto first = budget.reserve(40).value();
  auto second = budget.reserve(10).value();
  second = std::move(first);
  EXPECT_EQ(budget.used(), 40U);
  Reservation third = std::move(second);
  EXPECT_EQ(third.size(), 40U);
  third.release();
  third.release();
  EXPECT_EQ(budget.used(), 0U);
}

TEST(MemoryBudgetDeathTest, DiesWhenMoreIsGivenBackThanWasTaken) {
  EXPECT_DEATH(
      {
        MemoryBudget budget("broker", 100);
        budget.give_back(1);
      },
      "no more is given back");
}

TEST(MemoryBudget, NeverPassesAnyCapWithManyThreads) {
  MemoryBudget root("broker", 1000);
  MemoryBudget* children[] = {&root.child("a", 700), &root.child("b", 700)};
  std::atomic<size_t> outside{0};  // what the threads believe they hold together
  std::atomic<bool> passed{false};
  std::vector<std::thread> threads;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    threads.emplace_back([&, seed] {
      SeededRandom random(seed);
      for (int i = 0; i < 20'000; ++i) {
        const size_t bytes = 1 + random.below(400);
        auto held = children[random.below(2)]->reserve(bytes);
        if (!held) continue;
        if (outside.fetch_add(bytes) + bytes > 1000) passed = true;
        outside.fetch_sub(bytes);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(passed);
  EXPECT_EQ(root.used(), 0U);
  EXPECT_LE(root.peak(), 1000U);
  EXPECT_GT(root.peak(), 0U);
}

}  // namespace
}  // namespace sluice
