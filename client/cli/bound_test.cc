#include "client/cli/bound.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

constexpr Timestamp kNow{1'763'708'400'000};
using Kind = Bound::Kind;

TEST(Bound, KnowsTheEndsByName) {
  EXPECT_EQ(parse_bound("beginning", kNow)->kind, Kind::beginning);
  EXPECT_EQ(parse_bound("end", kNow)->kind, Kind::end);
}

TEST(Bound, TakesPlainNumbersAsOffsets) {
  const auto bound = parse_bound("42", kNow).value();
  EXPECT_EQ(bound.kind, Kind::offset);
  EXPECT_EQ(bound.offset, 42);
}

TEST(Bound, CountsNegativeNumbersFromTheEnd) {
  const auto bound = parse_bound("-10", kNow).value();
  EXPECT_EQ(bound.kind, Kind::before_end);
  EXPECT_EQ(bound.offset, 10);
}

TEST(Bound, TakesThirteenDigitsAsTimeUnlessToldOtherwise) {
  EXPECT_EQ(parse_bound("1763708400000", kNow)->kind, Kind::time);
  const auto forced = parse_bound("offset:1763708400000", kNow).value();
  EXPECT_EQ(forced.kind, Kind::offset);
  EXPECT_EQ(forced.offset, 1'763'708'400'000);
}

TEST(Bound, TakesTimes) {
  const auto bound = parse_bound("-15m", kNow).value();
  EXPECT_EQ(bound.kind, Kind::time);
  EXPECT_EQ(bound.time, kNow - 900'000);
}

TEST(Bound, RefusesTheRestAndSaysWhatItTakes) {
  for (const auto* text : {"", "start", "offset:", "offset:-1", "12x"}) {
    const auto bound = parse_bound(text, kNow);
    ASSERT_FALSE(bound) << text;
    EXPECT_NE(bound.error().message().find("beginning, end"), std::string_view::npos);
  }
}

}  // namespace
}  // namespace sluice::cli
