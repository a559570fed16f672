#include "base/setting_spec.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

SettingSpec spec(std::string key, SettingKind kind, SettingLimits limits = {},
                 std::vector<std::string> choices = {}) {
  return {.key = std::move(key), .kind = kind, .limits = limits, .choices = std::move(choices)};
}

std::string error_of(const SettingSpec& spec, std::string_view text) {
  const auto value = spec.parse(text);
  if (value) return "accepted";
  EXPECT_EQ(value.error(), Errc::invalid_config);
  return std::string(value.error().message());
}

TEST(SettingSpec, TakesSizesAsBytesAndInUnits) {
  const auto size = spec("segment.bytes", SettingKind::bytes, between(14, 1 << 30));
  EXPECT_EQ(size.parse("1048576").value(), SettingValue(int64_t{1} << 20));
  EXPECT_EQ(size.parse("1 MiB").value(), SettingValue(int64_t{1} << 20));
  EXPECT_EQ(error_of(size, "13"),
            "segment.bytes: \"13\" is not allowed; give a size from 14 B to 1 GiB (such as 64MiB, "
            "or bytes)");
  EXPECT_NE(error_of(size, "2GiB"), "accepted");
  EXPECT_NE(error_of(size, "-1"), "accepted");
}

TEST(SettingSpec, TakesBareIntegersAsMillisecondsOnlyWhereTheKeySaysSo) {
  const auto kafka = spec("retention.ms", SettingKind::duration, at_least(-1));
  EXPECT_EQ(kafka.parse("604800000").value(), SettingValue(int64_t{604800000}));
  EXPECT_EQ(kafka.parse("7d").value(), SettingValue(int64_t{604800000}));
  EXPECT_EQ(kafka.parse("-1").value(), SettingValue(int64_t{-1}));
  EXPECT_EQ(kafka.parse("9223372036854775807").value(), SettingValue(INT64_MAX));
  EXPECT_NE(error_of(kafka, "-2"), "accepted");
  EXPECT_NE(error_of(kafka, "1us"), "accepted");
  const auto ours = spec("shutdown.timeout", SettingKind::duration, between(1s, 5min));
  EXPECT_EQ(ours.parse("90s").value(), SettingValue(int64_t{90000}));
  EXPECT_EQ(error_of(ours, "90"),
            "shutdown.timeout: \"90\" is not allowed; give a duration from 1s to 5m (such as 100ms "
            "or 5m)");
}

TEST(SettingSpec, TakesWholeNumbersInTheirRange) {
  const auto port = spec("port", SettingKind::integer, between(1, 65535));
  EXPECT_EQ(port.parse(" 9092 ").value(), SettingValue(int64_t{9092}));
  EXPECT_EQ(port.parse("10,000").value(), SettingValue(int64_t{10000}));
  for (const char* text : {"0", "65536", "", "9092x", "1.5", "99999999999999999999", "true"}) {
    EXPECT_EQ(error_of(port, text), "port: \"" + std::string(text) +
                                        "\" is not allowed; give a whole number from 1 to 65535");
  }
}

TEST(SettingSpec, TakesNumbersInTheirRange) {
  const auto ratio = spec("ratio", SettingKind::number, between(0.0, 1.0));
  EXPECT_EQ(ratio.parse("0.5").value(), SettingValue(0.5));
  for (const char* text : {"1.01", "-0.1", "nan", "inf", "", "half"}) {
    EXPECT_EQ(error_of(ratio, text),
              "ratio: \"" + std::string(text) + "\" is not allowed; give a number from 0 to 1");
  }
}

TEST(SettingSpec, TakesTruthValuesChoicesAndLists) {
  EXPECT_EQ(spec("on", SettingKind::boolean).parse("true").value(), SettingValue(true));
  EXPECT_EQ(error_of(spec("on", SettingKind::boolean), "yes"),
            "on: \"yes\" is not allowed; give true or false");
  const auto flush = spec("flush", SettingKind::choice, {}, {"none", "every"});
  EXPECT_EQ(flush.parse("every").value(), SettingValue(std::string("every")));
  EXPECT_EQ(error_of(flush, "Every"), "flush: \"Every\" is not allowed; give one of none, every");
  const auto policy = spec("cleanup.policy", SettingKind::list, {}, {"delete", "compact"});
  EXPECT_EQ(policy.parse("compact, delete").value(), SettingValue(Texts{"compact", "delete"}));
  EXPECT_EQ(policy.parse("").value(), SettingValue(Texts{}));
  EXPECT_EQ(error_of(policy, "delete,burn"),
            "cleanup.policy: \"delete,burn\" is not allowed; give a list of delete, compact");
}

TEST(SettingSpec, NeverShowsASecret) {
  auto secret = spec("tls.key.count", SettingKind::integer);
  secret.secret = true;
  EXPECT_EQ(error_of(secret, "hunter2").find("hunter2"), std::string::npos);
}

TEST(SettingSpec, LeavesOutBoundsThatNobodyCouldPass) {
  EXPECT_EQ(spec("a", SettingKind::bytes, at_least(0)).allowed(),
            "a size (such as 64MiB, or bytes)");
  EXPECT_EQ(spec("a", SettingKind::integer).allowed(), "a whole number");
  EXPECT_EQ(spec("a", SettingKind::integer, at_least(1)).allowed(), "a whole number of at least 1");
  EXPECT_EQ(spec("a", SettingKind::duration, between(0ms, 1h)).allowed(),
            "a duration from 0ms to 1h (such as 100ms or 5m)");
}

TEST(SettingSpec, ParsesBackWhatItShows) {
  const std::vector<std::pair<SettingSpec, SettingValue>> cases = {
      {spec("a", SettingKind::bytes), int64_t{64} << 20},
      {spec("a.bytes", SettingKind::bytes), int64_t{-1}},
      {spec("a.ms", SettingKind::duration), int64_t{-1}},
      {spec("a.ms", SettingKind::duration), INT64_MAX},
      {spec("a.ms", SettingKind::duration), int64_t{90000}},
      {spec("a", SettingKind::duration), int64_t{0}},
      {spec("a", SettingKind::integer), int64_t{-17}},
      {spec("a", SettingKind::number), 0.1},
      {spec("a", SettingKind::boolean), false},
      {spec("a", SettingKind::text), std::string("  spaces \"stay\" ")},
      {spec("a", SettingKind::list), Texts{"x", "y z"}},
  };
  for (const auto& [one, value] : cases) {
    EXPECT_EQ(one.parse(one.human(value)).value(), value) << one.human(value);
    EXPECT_EQ(one.parse(one.plain(value)).value(), value) << one.plain(value);
  }
}

TEST(SettingSpec, ShowsKafkasFormOnTheWireAndPeoplesFormElsewhere) {
  const auto retention = spec("retention.ms", SettingKind::duration);
  EXPECT_EQ(retention.plain(int64_t{604800000}), "604800000");
  EXPECT_EQ(retention.human(int64_t{604800000}), "7d");
  EXPECT_EQ(retention.toml(int64_t{604800000}), "\"7d\"");
  EXPECT_EQ(retention.toml(int64_t{-1}), "-1");
  EXPECT_EQ(spec("a", SettingKind::number).toml(1.0), "1.0");
  EXPECT_EQ(spec("a", SettingKind::list).toml(Texts{"x", "y"}), R"(["x", "y"])");
  EXPECT_EQ(spec("a", SettingKind::text).toml(std::string("a\"b\\c\nd")), R"("a\"b\\c\u000Ad")");
}

TEST(SettingSpec, NamesItsEnvironmentVariable) {
  EXPECT_EQ(spec("log.segment.bytes", SettingKind::bytes).environment_name(),
            "SLUICE_LOG_SEGMENT_BYTES");
  EXPECT_EQ(spec("tls.v1_2-on", SettingKind::boolean).environment_name(), "SLUICE_TLS_V1_2_ON");
}

}  // namespace
}  // namespace sluice
