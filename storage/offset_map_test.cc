#include "storage/offset_map.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::storage {
namespace {

ByteView key(const std::string& text) { return as_bytes(text); }

TEST(KeyHasher, AgreesWithTheReferenceVectors) {
  // vectors_sip128 of the reference code: key 00..0f, inputs of no byte, and of 00.
  const KeyHasher hasher({0x0706050403020100, 0x0f0e0d0c0b0a0908});
  const std::byte zero{0};
  EXPECT_EQ(hasher({}), (KeyHash{.low = 0xe6a825ba047f81a3, .high = 0x930255c71472f66d}));
  EXPECT_EQ(hasher({&zero, 1}), (KeyHash{.low = 0x44af996bd8c187da, .high = 0x45fc229b11597634}));
}

TEST(OffsetMap, RemembersTheLastOffsetOfEachKey) {
  MemoryBudget budget("test", 1_MiB);
  OffsetMap map(budget, 1_MiB, KeyHasher({1, 2}));
  for (int64_t i = 0; i < 5000; ++i)
    ASSERT_TRUE(map.put(key("k" + std::to_string(i % 1700)), Offset(i)));
  EXPECT_EQ(map.size(), 1700u);
  EXPECT_EQ(map.find(key("k0")), Offset(3400));
  EXPECT_EQ(map.find(key("k1599")), Offset(4999));
  EXPECT_EQ(map.find(key("k1700")), std::nullopt);
}

TEST(OffsetMap, RefusesNewKeysBeyondItsBytesAndStillTakesOldOnes) {
  MemoryBudget budget("test", 1_MiB);
  OffsetMap map(budget, 48_KiB, KeyHasher({1, 2}));
  int64_t n = 0;
  while (map.put(key("k" + std::to_string(n)), Offset(n))) ++n;
  EXPECT_GT(n, 1000);
  EXPECT_LT(n, 2048);
  EXPECT_TRUE(map.put(key("k0"), Offset(n)));
  EXPECT_EQ(map.find(key("k0")), Offset(n));
}

TEST(OffsetMap, IsChargedForItsTable) {
  MemoryBudget budget("test", 30_KiB);
  {
    OffsetMap map(budget, 1_MiB, KeyHasher({1, 2}));
    EXPECT_EQ(budget.used(), 0u);
    int64_t n = 0;
    while (map.put(key("k" + std::to_string(n)), Offset(n))) ++n;
    EXPECT_EQ(n, 768);  // three quarters of the first table: the budget has no room for a second
    EXPECT_EQ(budget.used(), 1024u * 24);
  }
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace sluice::storage
