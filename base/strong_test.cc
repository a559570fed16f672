#include "base/strong.h"

#include <type_traits>
#include <unordered_set>

#include <absl/container/flat_hash_set.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

static_assert(!std::is_convertible_v<int64_t, Offset>);
static_assert(!std::is_convertible_v<Offset, int64_t>);
static_assert(!std::is_constructible_v<ProducerId, Offset>);
static_assert(std::is_same_v<decltype(Offset{5} - Offset{3}), int64_t>);
static_assert(sizeof(Offset) == sizeof(int64_t) && std::is_trivially_copyable_v<Offset>);

TEST(Strong, MovesByNumbersAndMeasuresByDifference) {
  Offset offset{10};
  EXPECT_EQ((offset + 5).value(), 15);
  EXPECT_EQ((offset - 5).value(), 5);
  EXPECT_EQ(Offset{15} - offset, 5);
  EXPECT_EQ(++offset, Offset{11});
  EXPECT_EQ(offset += 4, Offset{15});
  EXPECT_LT(Offset{-1}, Offset{});
}

TEST(Strong, IsAKeyOfBothKindsOfHashTables) {
  const std::unordered_set<NodeId> standard{NodeId{1}, NodeId{2}, NodeId{1}};
  const absl::flat_hash_set<NodeId> abseil{NodeId{1}, NodeId{2}, NodeId{1}};
  EXPECT_EQ(standard.size(), 2U);
  EXPECT_EQ(abseil.size(), 2U);
  EXPECT_TRUE(abseil.contains(NodeId{2}));
}

}  // namespace
}  // namespace sluice
