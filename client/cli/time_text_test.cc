#include "client/cli/time_text.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

constexpr Timestamp kNow{1'763'708'400'000};

int64_t parsed(std::string_view text) { return parse_time(text, kNow).value().value(); }

TEST(TimeText, ReadsCalendarTimesInUtcAndWithAnOffset) {
  EXPECT_EQ(parsed("2025-11-21T07:00:00Z"), 1'763'708'400'000);
  EXPECT_EQ(parsed("2025-11-21T08:00:00+01:00"), 1'763'708'400'000);
  EXPECT_EQ(parsed("2025-11-21T01:30:00-05:30"), 1'763'708'400'000);
  EXPECT_EQ(parsed("2025-11-21 07:00Z"), 1'763'708'400'000);
  EXPECT_EQ(parsed("1970-01-01T00:00:00Z"), 0);
}

TEST(TimeText, KeepsMillisecondsAndCutsFinerDigits) {
  EXPECT_EQ(parsed("2025-11-21T07:00:00.5Z"), 1'763'708'400'500);
  EXPECT_EQ(parsed("2025-11-21T07:00:00.123999Z"), 1'763'708'400'123);
}

TEST(TimeText, ReadsMillisecondsSinceTheEpoch) {
  EXPECT_EQ(parsed("1763708400000"), 1'763'708'400'000);
}

TEST(TimeText, ReadsTimesRelativeToNow) {
  EXPECT_EQ(parsed("now"), kNow.value());
  EXPECT_EQ(parsed("now-1h"), kNow.value() - 3'600'000);
  EXPECT_EQ(parsed("now+5m"), kNow.value() + 300'000);
  EXPECT_EQ(parsed("-15m"), kNow.value() - 900'000);
  EXPECT_EQ(parsed("-1h30m"), kNow.value() - 5'400'000);
}

TEST(TimeText, KnowsLeapDays) {
  EXPECT_TRUE(parse_time("2024-02-29T00:00:00Z", kNow));
  EXPECT_FALSE(parse_time("2025-02-29T00:00:00Z", kNow));
}

TEST(TimeText, RefusesWhatIsNoTimeAndSaysTheForms) {
  for (const auto* text : {"", "yesterday", "now-", "now-1", "-", "2025-13-01T00:00:00Z",
                           "2025-11-21", "2025-11-21T24:00:00Z", "2025-11-21T07:00:00.Z",
                           "2025-11-21T07:00:00+1", "2025-11-21T07:00:00ZZ", "176370840000x"}) {
    const auto time = parse_time(text, kNow);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().code(), Errc::invalid_argument);
    EXPECT_NE(time.error().message().find("now-1h"), std::string_view::npos) << text;
  }
}

TEST(TimeText, AsksForTheZone) {
  const auto time = parse_time("2025-11-21T07:00:00", kNow);
  ASSERT_FALSE(time);
  EXPECT_NE(time.error().message().find("zone"), std::string_view::npos);
}

}  // namespace
}  // namespace sluice::cli
