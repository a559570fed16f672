#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace sluice {

/// A setting's value: truth, whole number (bytes as bytes, durations as milliseconds), number, text
/// or choice, list.
using SettingValue = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

enum class SettingKind : uint8_t { boolean, integer, number, bytes, duration, text, choice, list };

/// Both ends are allowed. Whole numbers in the unit of the value, `number` in *_number.
struct SettingLimits {
  int64_t least = std::numeric_limits<int64_t>::min();
  int64_t most = std::numeric_limits<int64_t>::max();
  double least_number = std::numeric_limits<double>::lowest();
  double most_number = std::numeric_limits<double>::max();
};

template <std::integral A, std::integral B>
constexpr SettingLimits between(A least, B most) {
  return {.least = static_cast<int64_t>(least), .most = static_cast<int64_t>(most)};
}
constexpr SettingLimits between(double least, double most) {
  return {.least_number = least, .most_number = most};
}
constexpr SettingLimits between(std::chrono::milliseconds least, std::chrono::milliseconds most) {
  return between(least.count(), most.count());
}
template <std::integral T>
constexpr SettingLimits at_least(T least) {
  return {.least = static_cast<int64_t>(least)};
}
constexpr SettingLimits at_least(std::chrono::milliseconds least) {
  return at_least(least.count());
}

/// What one key takes. A `duration` whose key ends in ".ms" takes a bare integer as milliseconds;
/// `bytes` always take a bare integer as bytes; both take the human form ("7d", "64 MiB").
struct SettingSpec {
  std::string key;
  SettingKind kind = SettingKind::text;
  std::string help;
  SettingLimits limits{};
  std::vector<std::string> choices{};  // of a choice, and of the elements of a list when not empty
  bool secret = false;                 // never shown

  /// invalid_config with the key, the text and what is allowed.
  Result<SettingValue> parse(std::string_view text) const;
  /// As people write it; parse gives the same value back.
  std::string human(const SettingValue& value) const;
  /// As Kafka's protocol carries it: sizes and times as bare integers, lists with commas.
  std::string plain(const SettingValue& value) const;
  /// As it stands behind the `=` in TOML.
  std::string toml(const SettingValue& value) const;
  /// "a size from 1 MiB to 2 GiB", "one of none, interval, every".
  std::string allowed() const;
  /// "SLUICE_LOG_SEGMENT_BYTES" for log.segment.bytes.
  std::string environment_name() const;
  bool in_milliseconds() const { return key.ends_with(".ms"); }
};

}  // namespace sluice
