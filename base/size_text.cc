#include "base/size_text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <span>

namespace sluice {
namespace {

using Wide = unsigned __int128;

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr std::array<Unit, 5> kBinarySizes = {
    {{"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}}};
constexpr std::array<Unit, 5> kDecimalSizes = {{{"TB", 1'000'000'000'000},
                                                {"GB", 1'000'000'000},
                                                {"MB", 1'000'000},
                                                {"KB", 1'000},
                                                {"kB", 1'000}}};
constexpr std::array<Unit, 8> kDurations = {{{"w", 604'800'000'000'000},
                                             {"d", 86'400'000'000'000},
                                             {"h", 3'600'000'000'000},
                                             {"m", 60'000'000'000},
                                             {"s", 1'000'000'000},
                                             {"ms", 1'000'000},
                                             {"us", 1'000},
                                             {"ns", 1}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void skip_spaces(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
}

std::string_view trimmed(std::string_view text) {
  skip_spaces(text);
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

/// A decimal number: digits / scale.
struct Decimal {
  Wide digits = 0;
  Wide scale = 1;
};

/// Takes a number off the front; nothing when there is none or it has more than 24 digits, which
/// is more than any unit needs and keeps every product below 128 bits.
std::optional<Decimal> take_decimal(std::string_view& text) {
  Decimal number;
  bool fraction = false;
  size_t digits = 0;
  size_t used = 0;
  for (; used < text.size(); ++used) {
    const char c = text[used];
    if (c == '.' && !fraction && digits > 0) {
      fraction = true;
      continue;
    }
    if (!is_digit(c)) break;
    number.digits = number.digits * 10 + static_cast<unsigned>(c - '0');
    if (fraction) number.scale *= 10;
    if (++digits > 24) return std::nullopt;
  }
  if (digits == 0 || text[used - 1] == '.') return std::nullopt;
  text.remove_prefix(used);
  return number;
}

std::string_view take_word(std::string_view& text) {
  size_t used = 0;
  while (used < text.size() && !is_digit(text[used]) && text[used] != ' ') ++used;
  const std::string_view word = text.substr(0, used);
  text.remove_prefix(used);
  return word;
}

/// digits * factor / scale when that is whole and at most `most`.
std::optional<uint64_t> times(const Decimal& number, uint64_t factor, uint64_t most) {
  if (number.digits > static_cast<Wide>(most) * number.scale / factor) return std::nullopt;
  const Wide product = number.digits * factor;
  if (product % number.scale != 0) return std::nullopt;
  return static_cast<uint64_t>(product / number.scale);
}

std::optional<uint64_t> factor_of(std::string_view name, std::span<const Unit> units) {
  const auto found = std::ranges::find(units, name, &Unit::name);
  return found == units.end() ? std::nullopt : std::optional(found->factor);
}

std::unexpected<Error> refuse(std::string_view text, std::string_view allowed) {
  return fail(Errc::invalid_argument,
              "\"" + std::string(text) + "\" is not " + std::string(allowed));
}

/// The largest unit that divides the value.
std::string in_exact_unit(uint64_t value, std::span<const Unit> units, std::string_view between) {
  const auto fits = [&](const Unit& unit) { return value % unit.factor == 0; };
  const Unit& unit = value == 0 ? units.back() : *std::ranges::find_if(units, fits);
  return std::to_string(value / unit.factor).append(between).append(unit.name);
}

/// One decimal below ten, none above.
std::string rounded(double value) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.*f", value < 9.95 ? 1 : 0, value);
  std::string out = text.data();
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}

std::string in_thousands(double value, std::string_view space) {
  constexpr std::array<std::string_view, 5> kPrefixes = {"", "K", "M", "G", "T"};
  size_t prefix = 0;
  for (; value >= 999.5 && prefix + 1 < kPrefixes.size(); ++prefix) value /= 1000;
  return rounded(value).append(kPrefixes[prefix].empty() ? "" : space).append(kPrefixes[prefix]);
}

uint64_t magnitude(Duration duration) {
  const auto count = static_cast<uint64_t>(duration.count());
  return duration.count() < 0 ? 0 - count : count;
}

}  // namespace

Result<uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kAllowed =
      "a size: write whole bytes, or a number with B, KiB, MiB, GiB, TiB, KB, MB, GB or TB";
  std::string_view rest = trimmed(text);
  const auto number = take_decimal(rest);
  skip_spaces(rest);
  auto factor = rest.empty() ? std::optional<uint64_t>(1) : factor_of(rest, kBinarySizes);
  if (!factor) factor = factor_of(rest, kDecimalSizes);
  if (!number || !factor) return refuse(text, kAllowed);
  const auto size = times(*number, *factor, UINT64_MAX);
  if (!size) return refuse(text, kAllowed);
  return *size;
}

Result<Duration> parse_duration(std::string_view text) {
  constexpr std::string_view kAllowed =
      "a duration: write a number with ns, us, ms, s, m, h, d or w, such as 100ms, 5m or 1h30m";
  std::string_view rest = trimmed(text);
  if (rest == "0") return Duration{};
  const bool negative = rest.starts_with('-');
  if (negative) rest.remove_prefix(1);
  if (rest.empty()) return refuse(text, kAllowed);
  uint64_t sum = 0;
  uint64_t last_factor = UINT64_MAX;
  while (!rest.empty()) {
    const auto number = take_decimal(rest);
    skip_spaces(rest);
    const auto factor = factor_of(take_word(rest), kDurations);
    skip_spaces(rest);
    // Units must fall, so that "5m 5m" and "1s1h", which are slips, are not taken.
    if (!number || !factor || *factor >= last_factor) return refuse(text, kAllowed);
    const auto part = times(*number, *factor, INT64_MAX - sum);
    if (!part) return refuse(text, kAllowed);
    sum += *part;
    last_factor = *factor;
  }
  const auto count = static_cast<int64_t>(sum);
  return Duration(negative ? -count : count);
}

Result<uint64_t> parse_count(std::string_view text) {
  constexpr std::string_view kAllowed = "a count: write digits, such as 1000000 or 1,000,000";
  const std::string_view rest = trimmed(text);
  const size_t separator = std::min(rest.find_first_of(",_"), rest.size());
  if (rest.empty() || (separator < rest.size() && (separator == 0 || separator > 3))) {
    return refuse(text, kAllowed);
  }
  uint64_t count = 0;
  for (size_t i = 0; i < rest.size(); ++i) {
    const bool on_separator = i >= separator && (i - separator) % 4 == 0;
    if (on_separator && rest[i] == rest[separator]) continue;
    if (on_separator || !is_digit(rest[i])) return refuse(text, kAllowed);
    if (__builtin_mul_overflow(count, uint64_t{10}, &count) ||
        __builtin_add_overflow(count, static_cast<uint64_t>(rest[i] - '0'), &count)) {
      return refuse(text, "a count below 2^64");
    }
  }
  if (separator < rest.size() && (rest.size() - separator) % 4 != 0) return refuse(text, kAllowed);
  return count;
}

std::string format_size(uint64_t bytes) { return in_exact_unit(bytes, kBinarySizes, " "); }

std::string format_duration(Duration duration) {
  if (duration == Duration{}) return "0s";
  // Weeks are understood, but nobody writes them: days are the largest unit shown.
  const auto units = std::span(kDurations).subspan(1);
  return (duration < Duration{} ? "-" : "") + in_exact_unit(magnitude(duration), units, "");
}

std::string format_count(uint64_t count) {
  std::string out = std::to_string(count);
  for (size_t at = out.size(); at > 3;) out.insert(at -= 3, ",");
  return out;
}

std::string format_rough_size(uint64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " B";
  return in_thousands(static_cast<double>(bytes), " ") + "B";
}

std::string format_rough_count(double count) { return in_thousands(count, " "); }

std::string format_rough_duration(Duration duration) {
  if (duration >= 60s || duration <= -60s) return format_age(duration);
  if (duration < Duration{}) return "-" + format_rough_duration(-duration);
  if (duration < 1us) return std::to_string(duration.count()) + "ns";
  double value = static_cast<double>(duration.count()) / 1000;
  std::string_view unit = "us";
  for (std::string_view larger : {"ms", "s"}) {
    if (value < 999.5) break;
    value /= 1000;
    unit = larger;
  }
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.*f", value < 99.95 ? 1 : 0, value);
  std::string out = text.data();
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out.append(unit);
}

std::string format_age(Duration age) {
  const uint64_t ns = magnitude(age);
  std::string out = age <= -1s ? "-" : "";
  const auto units = std::span(kDurations).subspan(1, 4);
  for (size_t i = 0; i < units.size(); ++i) {
    const uint64_t whole = ns / units[i].factor;
    if (whole == 0) continue;
    out += std::to_string(whole).append(units[i].name);
    if (i + 1 == units.size()) return out;
    const uint64_t rest = ns % units[i].factor / units[i + 1].factor;
    if (rest > 0) out += std::to_string(rest).append(units[i + 1].name);
    return out;
  }
  return "0s";
}

std::string format_timestamp(Timestamp time) {
  if (time == kNoTimestamp) return "none";
  using namespace std::chrono;
  const sys_time<milliseconds> at{milliseconds(time.value())};
  // Beyond the calendar's years a broken timestamp is still worth seeing, as the number it is.
  if (at < sys_days{year{0} / 1 / 1} || at >= sys_days{year{10000} / 1 / 1}) {
    return std::to_string(time.value());
  }
  const auto day = floor<days>(at);
  const year_month_day date{day};
  const hh_mm_ss clock{at - day};
  std::array<char, 48> text;
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()),
                static_cast<int>(clock.subseconds().count()));
  return text.data();
}

}  // namespace sluice
