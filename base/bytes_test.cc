#include "base/bytes.h"

#include <array>
#include <cstdint>

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Bytes, StoresTheMostSignificantByteFirst) {
  std::array<std::byte, 5> bytes{};
  store_be(bytes.data() + 1, int32_t{0x01020304});
  const std::array<std::byte, 5> expected = {std::byte{0}, std::byte{1}, std::byte{2}, std::byte{3},
                                             std::byte{4}};
  EXPECT_EQ(bytes, expected);
}

TEST(Bytes, LoadsWhatItStoredAtAnyAlignment) {
  std::array<std::byte, 16> bytes{};
  for (size_t at = 0; at <= 8; ++at) {
    store_be(bytes.data() + at, int64_t{-2});
    EXPECT_EQ(load_be<int64_t>(bytes.data() + at), -2);
    store_be(bytes.data() + at, uint16_t{0xfffe});
    EXPECT_EQ(load_be<uint16_t>(bytes.data() + at), 0xfffe);
  }
}

TEST(Bytes, ViewsTextWithoutCopying) {
  const std::string_view text = "orders";
  EXPECT_EQ(as_text(as_bytes(text)).data(), text.data());
  EXPECT_EQ(as_bytes(text).size(), text.size());
}

TEST(Bytes, CountsInPowersOf1024) {
  EXPECT_EQ(4_KiB, 4096U);
  EXPECT_EQ(1_GiB, 1024 * 1_MiB);
}

}  // namespace
}  // namespace sluice
