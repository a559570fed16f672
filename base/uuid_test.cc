#include "base/uuid.h"

#include <set>
#include <string>
#include <unordered_set>

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Uuid, ShowsTheTextsThatKafkaShows) {
  EXPECT_EQ(Uuid().text(), "AAAAAAAAAAAAAAAAAAAAAA");
  std::array<std::byte, 16> one{};
  one[15] = std::byte{1};
  EXPECT_EQ(Uuid(one).text(), "AAAAAAAAAAAAAAAAAAAAAQ");
  std::array<std::byte, 16> all{};
  all.fill(std::byte{0xff});
  EXPECT_EQ(Uuid(all).text(), "_____________________w");
}

TEST(Uuid, ParsesBackWhatItShows) {
  SeededRandom random(1);
  for (int i = 0; i < 1000; ++i) {
    const Uuid id = Uuid::random(random);
    ASSERT_EQ(id.text().size(), Uuid::kTextSize);
    ASSERT_EQ(Uuid::parse(id.text()), id);
    ASSERT_EQ(Uuid::from_bytes(id.bytes()), id);
  }
}

TEST(Uuid, RefusesEveryOtherText) {
  const std::string text = "J5PoTPkCR1-uTRvNnBWgKA";
  ASSERT_TRUE(Uuid::parse(text).has_value());
  for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(Uuid::parse(text.substr(0, size)));
  EXPECT_FALSE(Uuid::parse(text + "A"));
  for (char bad : std::string("+/= .\n\0\xff", 8)) {
    for (size_t at = 0; at < text.size(); ++at) {
      std::string broken = text;
      broken[at] = bad;
      EXPECT_FALSE(Uuid::parse(broken)) << broken;
    }
  }
}

TEST(Uuid, RefusesASecondTextForAnId) {
  EXPECT_TRUE(Uuid::parse("AAAAAAAAAAAAAAAAAAAAAQ"));
  EXPECT_FALSE(Uuid::parse("AAAAAAAAAAAAAAAAAAAAAR"));
}

TEST(Uuid, DrawsVersion4IdsThatMayStandOnACommandLine) {
  SeededRandom random(2);
  std::set<Uuid> seen;
  for (int i = 0; i < 1000; ++i) {
    const Uuid id = Uuid::random(random);
    EXPECT_EQ(id.bytes()[6] & std::byte{0xf0}, std::byte{0x40});
    EXPECT_EQ(id.bytes()[8] & std::byte{0xc0}, std::byte{0x80});
    EXPECT_NE(id.text().front(), '-');
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(Uuid, OrdersAndHashesByItsBytes) {
  SeededRandom random(3);
  const Uuid id = Uuid::random(random);
  EXPECT_TRUE(Uuid().is_zero());
  EXPECT_FALSE(id.is_zero());
  EXPECT_LT(Uuid(), id);
  std::unordered_set<Uuid> set{id, Uuid(), id};
  EXPECT_EQ(set.size(), 2U);
}

}  // namespace
}  // namespace sluice
