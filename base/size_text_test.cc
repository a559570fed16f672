#include "base/size_text.h"

#include <cstdint>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace sluice {
namespace {

using testing::HasSubstr;

TEST(ParseSize, TakesBytesAndBothKindsOfUnits) {
  EXPECT_EQ(parse_size("0").value(), 0U);
  EXPECT_EQ(parse_size("1048576").value(), 1U << 20);
  EXPECT_EQ(parse_size("512 B").value(), 512U);
  EXPECT_EQ(parse_size(" 64 MiB ").value(), 64U << 20);
  EXPECT_EQ(parse_size("1GiB").value(), 1U << 30);
  EXPECT_EQ(parse_size("1.5 GiB").value(), 3U << 29);
  EXPECT_EQ(parse_size("10 MB").value(), 10'000'000U);
  EXPECT_EQ(parse_size("18446744073709551615").value(), UINT64_MAX);
}

TEST(ParseSize, RefusesWhatIsNoExactSizeAndSaysWhatWouldBe) {
  for (const char* text : {"", " ", "MiB", "-1", "+1", "10%", "64 M", "64 mib", "1 2", "1.", ".5",
                           "1.1.1 KiB", "0.1 KiB", "0x10", "1e3", "18446744073709551616",
                           "16777216 TiB", "99999999999999999999999999 B", "1KiB1"}) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size.has_value()) << text;
    EXPECT_EQ(size.error(), Errc::invalid_argument);
    EXPECT_THAT(size.error().message(), HasSubstr("\"" + std::string(text) + "\""));
    EXPECT_THAT(size.error().message(), HasSubstr("MiB"));
  }
}

TEST(ParseDuration, TakesUnitsAndTheirFallingSums) {
  EXPECT_EQ(parse_duration("0").value(), 0s);
  EXPECT_EQ(parse_duration("5m").value(), 5min);
  EXPECT_EQ(parse_duration("100 ms").value(), 100ms);
  EXPECT_EQ(parse_duration("1h30m").value(), 90min);
  EXPECT_EQ(parse_duration("1d 2h 3s").value(), 26h + 3s);
  EXPECT_EQ(parse_duration("1.5s").value(), 1500ms);
  EXPECT_EQ(parse_duration("-15m").value(), -15min);
  EXPECT_EQ(parse_duration("2w").value(), 336h);
  EXPECT_EQ(parse_duration("9223372036854775807ns").value(), Duration::max());
}

TEST(ParseDuration, RefusesWhatIsNoExactDurationAndSaysWhatWouldBe) {
  for (const char* text : {"", "5", "s", "5 x", "5m 5m", "1s1h", "0.5ns", "9223372036854775808ns",
                           "200000w", "--5m", "1h-5m", "5M", "1..5s", "-"}) {
    const auto duration = parse_duration(text);
    ASSERT_FALSE(duration.has_value()) << text;
    EXPECT_THAT(duration.error().message(), HasSubstr("\"" + std::string(text) + "\""));
    EXPECT_THAT(duration.error().message(), HasSubstr("1h30m"));
  }
}

TEST(ParseCount, TakesThousandsSeparatorsInTheirPlaces) {
  EXPECT_EQ(parse_count("0").value(), 0U);
  EXPECT_EQ(parse_count("1000000").value(), 1'000'000U);
  EXPECT_EQ(parse_count("1,000,000").value(), 1'000'000U);
  EXPECT_EQ(parse_count("12_000").value(), 12'000U);
  for (const char* text : {"", ",", ",000", "1,00", "1,0000", "1000,000", "1,000_000", "1,", "-1",
                           "1.5", "18446744073709551616", "1,000,00a"}) {
    EXPECT_FALSE(parse_count(text).has_value()) << text;
  }
}

TEST(FormatSize, UsesTheLargestExactUnit) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(1000), "1000 B");
  EXPECT_EQ(format_size(64U << 20), "64 MiB");
  EXPECT_EQ(format_size(3U << 29), "1536 MiB");
}

TEST(FormatDuration, UsesTheLargestExactUnit) {
  EXPECT_EQ(format_duration(0s), "0s");
  EXPECT_EQ(format_duration(168h), "7d");
  EXPECT_EQ(format_duration(90s), "90s");
  EXPECT_EQ(format_duration(-1500ms), "-1500ms");
}

TEST(SizeText, ParsesBackWhatItFormatsExactly) {
  SeededRandom random(3);
  for (int i = 0; i < 2000; ++i) {
    const uint64_t value = (random.next() >> random.below(64)) << random.below(20);
    ASSERT_EQ(parse_size(format_size(value)).value(), value);
    ASSERT_EQ(parse_count(format_count(value)).value(), value);
    const Duration duration(static_cast<int64_t>(value / 2) - (1 << 20));
    ASSERT_EQ(parse_duration(format_duration(duration)).value(), duration);
  }
}

TEST(FormatCount, SeparatesThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(104334), "104,334");
  EXPECT_EQ(format_count(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(FormatRough, RoundsToWhatTheEyeTakesIn) {
  EXPECT_EQ(format_rough_size(17), "17 B");
  EXPECT_EQ(format_rough_size(985'084), "985 KB");
  EXPECT_EQ(format_rough_size(999'999), "1 MB");
  EXPECT_EQ(format_rough_size(1'234'567'890), "1.2 GB");
  EXPECT_EQ(format_rough_count(1'160'000), "1.2 M");
  EXPECT_EQ(format_rough_count(17), "17");
  EXPECT_EQ(format_rough_duration(850ns), "850ns");
  EXPECT_EQ(format_rough_duration(12'345ns), "12.3us");
  EXPECT_EQ(format_rough_duration(-20ms), "-20ms");
  EXPECT_EQ(format_rough_duration(999'999us), "1s");
  EXPECT_EQ(format_rough_duration(95min), "1h35m");
  EXPECT_EQ(format_rough_duration(Duration::min()), "-106751d23h");
}

TEST(FormatAge, ShowsTheTwoLargestUnits) {
  EXPECT_EQ(format_age(500ms), "0s");
  EXPECT_EQ(format_age(12s), "12s");
  EXPECT_EQ(format_age(5min), "5m");
  EXPECT_EQ(format_age(76h + 59min), "3d4h");
  EXPECT_EQ(format_age(24h + 59min), "1d");
  EXPECT_EQ(format_age(-90s), "-1m30s");
}

TEST(FormatTimestamp, IsRfc3339InUtc) {
  EXPECT_EQ(format_timestamp(Timestamp{0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_timestamp(Timestamp{1709164799999}), "2024-02-28T23:59:59.999Z");
  EXPECT_EQ(format_timestamp(Timestamp{-2}), "1969-12-31T23:59:59.998Z");
  EXPECT_EQ(format_timestamp(kNoTimestamp), "none");
  EXPECT_EQ(format_timestamp(Timestamp{INT64_MAX}), "9223372036854775807");
}

}  // namespace
}  // namespace sluice
