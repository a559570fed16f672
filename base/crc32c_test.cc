#include "base/crc32c.h"

#include <array>
#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace sluice {
namespace {

std::vector<std::byte> filled(size_t size, uint8_t first, int step) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(first + static_cast<int>(i) * step);
  }
  return bytes;
}

/// Bit by bit, from the reflected polynomial: slow and obviously right.
uint32_t reference_crc(ByteView bytes) {
  uint32_t crc = ~0U;
  for (std::byte byte : bytes) {
    crc ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
  }
  return ~crc;
}

TEST(Crc32c, GivesTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c(filled(32, 0x00, 0)), 0x8A9136AAU);
  EXPECT_EQ(crc32c(filled(32, 0xFF, 0)), 0x62A8AB43U);
  EXPECT_EQ(crc32c(filled(32, 0x00, 1)), 0x46DD794EU);
  EXPECT_EQ(crc32c(filled(32, 0x1F, -1)), 0x113FDB5CU);
}

TEST(Crc32c, GivesTheCheckValueOfTheCatalogue) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283U);
}

TEST(Crc32c, IsZeroForNothing) { EXPECT_EQ(crc32c({}), 0U); }

TEST(Crc32c, AgreesWithTheBitwiseReferenceAtEveryLengthAndAlignment) {
  SeededRandom random(7);
  std::vector<std::byte> bytes(4200);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random.next());
  for (size_t size = 0; size <= 300; ++size) {
    const ByteView part = ByteView(bytes).subspan(size % 16, size);
    ASSERT_EQ(crc32c(part), reference_crc(part)) << "size " << size;
  }
  for (size_t size : {1023U, 1024U, 1025U, 3071U, 3072U, 4096U, 4183U}) {
    const ByteView part = ByteView(bytes).subspan(3, size);
    ASSERT_EQ(crc32c(part), reference_crc(part)) << "size " << size;
  }
}

TEST(Crc32c, GoesOnFromWhereItStopped) {
  const auto bytes = filled(257, 9, 7);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const uint32_t first = crc32c(ByteView(bytes).first(cut));
    ASSERT_EQ(crc32c(ByteView(bytes).subspan(cut), first), crc32c(bytes)) << "cut at " << cut;
  }
}

}  // namespace
}  // namespace sluice
