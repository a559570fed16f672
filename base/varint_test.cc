#include "base/varint.h"

#include <array>
#include <limits>

#include <gtest/gtest.h>

#include "base/random.h"

namespace sluice {
namespace {

template <class T>
void round_trips_in_its_size(T value) {
  std::array<std::byte, kMaxVarint64> bytes;
  const std::byte* behind = put_varint(bytes.data(), value);
  const auto size = static_cast<size_t>(behind - bytes.data());
  EXPECT_EQ(size, varint_size(value)) << value;
  T decoded = 0;
  EXPECT_EQ(get_varint(bytes.data(), behind, decoded), behind);
  EXPECT_EQ(decoded, value);
  for (size_t cut = 0; cut < size; ++cut) {
    EXPECT_EQ(get_varint(bytes.data(), bytes.data() + cut, decoded), nullptr) << value;
  }
}

TEST(Varint, RoundTripsAroundEveryPowerOfTwo) {
  for (int bit = 0; bit < 64; ++bit) {
    for (int64_t step : {-1, 0, 1}) {
      const uint64_t value = (uint64_t{1} << bit) + static_cast<uint64_t>(step);
      round_trips_in_its_size(value);
      round_trips_in_its_size(static_cast<uint32_t>(value));
    }
  }
}

TEST(Varint, ZigZagKeepsSmallMagnitudesSmall) {
  EXPECT_EQ(zigzag(int32_t{0}), 0u);
  EXPECT_EQ(zigzag(int32_t{-1}), 1u);
  EXPECT_EQ(zigzag(int32_t{1}), 2u);
  EXPECT_EQ(zigzag(std::numeric_limits<int32_t>::min()), std::numeric_limits<uint32_t>::max());
  EXPECT_EQ(zigzag_size(int32_t{63}), 1u);
  EXPECT_EQ(zigzag_size(int32_t{64}), 2u);
}

TEST(Varint, ZigZagRoundTripsRandomValues) {
  SeededRandom random(1);
  for (int i = 0; i < 10'000; ++i) {
    const auto value = static_cast<int64_t>(random.next() >> random.below(64));
    for (int64_t signed_value : {value, -value}) {
      std::array<std::byte, kMaxVarint64> bytes;
      int64_t decoded = 0;
      const std::byte* behind = put_zigzag(bytes.data(), signed_value);
      ASSERT_EQ(get_zigzag(bytes.data(), behind, decoded), behind);
      ASSERT_EQ(decoded, signed_value);
    }
  }
}

TEST(Varint, RefusesWhatDoesNotFit) {
  std::array<std::byte, 11> bytes;
  bytes.fill(std::byte{0xff});
  uint32_t narrow = 0;
  uint64_t wide = 0;
  EXPECT_EQ(get_varint(bytes.data(), bytes.data() + bytes.size(), narrow), nullptr);
  EXPECT_EQ(get_varint(bytes.data(), bytes.data() + bytes.size(), wide), nullptr);
  bytes[4] = std::byte{0x10};
  EXPECT_EQ(get_varint(bytes.data(), bytes.data() + bytes.size(), narrow), nullptr);
  bytes[4] = std::byte{0x0f};
  EXPECT_EQ(get_varint(bytes.data(), bytes.data() + bytes.size(), narrow), bytes.data() + 5);
  EXPECT_EQ(narrow, std::numeric_limits<uint32_t>::max());
}

TEST(Varint, TakesEncodingsLongerThanNeeded) {
  const std::array bytes{std::byte{0x81}, std::byte{0x80}, std::byte{0x00}};
  uint32_t value = 0;
  EXPECT_EQ(get_varint(bytes.data(), bytes.data() + bytes.size(), value), bytes.data() + 3);
  EXPECT_EQ(value, 1u);
}

}  // namespace
}  // namespace sluice
