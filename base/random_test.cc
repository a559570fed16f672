#include "base/random.h"

#include <array>

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(SeededRandom, GivesTheSameNumbersForTheSameSeedAndOthersForAnother) {
  SeededRandom first(7);
  SeededRandom again(7);
  SeededRandom other(8);
  int equal_to_other = 0;
  for (int i = 0; i < 100; ++i) {
    const uint64_t number = first.next();
    EXPECT_EQ(number, again.next());
    equal_to_other += number == other.next() ? 1 : 0;
  }
  EXPECT_EQ(equal_to_other, 0);
}

TEST(SeededRandom, StaysTheGeneratorThatOldSeedsWereRecordedWith) {
  SeededRandom random(0);
  EXPECT_EQ(random.next(), 0x99ec5f36cb75f2b4U);
  EXPECT_EQ(random.next(), 0xbf6e1f784956452aU);
  EXPECT_EQ(random.next(), 0x1a5f849d4933e6e0U);
}

TEST(Random, DrawsEvenlyBelowTheBound) {
  SeededRandom random(1);
  std::array<int, 10> drawn{};
  for (int i = 0; i < 100'000; ++i) ++drawn[random.below(10)];
  for (int count : drawn) EXPECT_NEAR(count, 10'000, 500);
  EXPECT_EQ(random.below(1), 0U);
  EXPECT_TRUE(random.one_in(1));
}

TEST(RandomDeathTest, DiesBelowNothing) {
  SeededRandom random(1);
  EXPECT_DEATH(random.below(0), "does not exist");
}

}  // namespace
}  // namespace sluice
