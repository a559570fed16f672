#include "base/setting_spec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>

#include "base/check.h"
#include "base/size_text.h"

namespace sluice {
namespace {

constexpr int64_t kOpenBelow = std::numeric_limits<int64_t>::min();
constexpr int64_t kOpenAbove = std::numeric_limits<int64_t>::max();
/// Above this, milliseconds do not fit a Duration's nanoseconds.
constexpr int64_t kMostMilliseconds = std::numeric_limits<int64_t>::max() / 1'000'000;

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

template <class T>
std::optional<T> whole_text_as(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_integer(std::string_view text) {
  if (const auto plain = whole_text_as<int64_t>(text)) return plain;
  const auto count = parse_count(text);
  if (!count || *count > static_cast<uint64_t>(kOpenAbove)) return std::nullopt;
  return static_cast<int64_t>(*count);
}

std::optional<int64_t> parse_bytes(std::string_view text) {
  if (const auto plain = whole_text_as<int64_t>(text)) return plain;
  const auto size = parse_size(text);
  if (!size || *size > static_cast<uint64_t>(kOpenAbove)) return std::nullopt;
  return static_cast<int64_t>(*size);
}

std::optional<int64_t> parse_milliseconds(std::string_view text, bool bare_allowed) {
  if (const auto plain = whole_text_as<int64_t>(text); plain && bare_allowed) return plain;
  const auto duration = parse_duration(text);
  if (!duration || *duration % 1ms != 0ns) return std::nullopt;
  return *duration / 1ms;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!trimmed(text).empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    parts.emplace_back(trimmed(text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::string_view between) {
  std::string out;
  for (const auto& part : parts) out.append(out.empty() ? "" : between).append(part);
  return out;
}

std::string shortest(double value) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::string quoted_toml(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 8> escaped;
      std::snprintf(escaped.data(), escaped.size(), "\\u%04X", static_cast<unsigned>(c));
      out += escaped.data();
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string_view noun(SettingKind kind) {
  switch (kind) {
    case SettingKind::boolean:
      return "true or false";
    case SettingKind::integer:
      return "a whole number";
    case SettingKind::number:
      return "a number";
    case SettingKind::bytes:
      return "a size";
    case SettingKind::duration:
      return "a duration";
    case SettingKind::text:
      return "a text";
    case SettingKind::choice:
      return "one of ";
    case SettingKind::list:
      return "a list";
  }
  return "";
}

std::string in_range(std::string_view least, std::string_view most) {
  std::string out;
  if (!least.empty() && !most.empty())
    return out.append(" from ").append(least).append(" to ").append(most);
  if (!least.empty()) return out.append(" of at least ").append(least);
  if (!most.empty()) return out.append(" of at most ").append(most);
  return out;
}

std::string shown_most(const SettingSpec& spec) {
  const int64_t open = spec.kind == SettingKind::duration ? kMostMilliseconds : kOpenAbove;
  return spec.limits.most >= open ? "" : spec.human(spec.limits.most);
}

/// A bound that says nothing, because there is none or nobody could pass it, is not shown.
std::string shown_least(const SettingSpec& spec) {
  const int64_t least = spec.limits.least;
  const bool open_above = shown_most(spec).empty();
  const bool obvious = least == 0 && open_above && spec.kind != SettingKind::integer;
  return least == kOpenBelow || obvious ? "" : spec.human(least);
}

std::string_view example(const SettingSpec& spec) {
  if (spec.kind == SettingKind::bytes) return " (such as 64MiB, or bytes)";
  if (spec.kind != SettingKind::duration) return "";
  return spec.in_milliseconds() ? " (such as 100ms or 5m, or milliseconds)"
                                : " (such as 100ms or 5m)";
}

std::optional<SettingValue> value_from(const SettingSpec& spec, std::string_view text) {
  const auto whole = [&](std::optional<int64_t> value) -> std::optional<SettingValue> {
    if (!value || *value < spec.limits.least || *value > spec.limits.most) return std::nullopt;
    return SettingValue(*value);
  };
  const auto is_choice = [&](const std::string& one) {
    return std::ranges::find(spec.choices, one) != spec.choices.end();
  };
  switch (spec.kind) {
    case SettingKind::boolean:
      if (text != "true" && text != "false") return std::nullopt;
      return SettingValue(text == "true");
    case SettingKind::integer:
      return whole(parse_integer(text));
    case SettingKind::bytes:
      return whole(parse_bytes(text));
    case SettingKind::duration:
      return whole(parse_milliseconds(text, spec.in_milliseconds()));
    case SettingKind::number: {
      const auto value = whole_text_as<double>(text);
      // Written so that NaN, which compares with nothing, is refused.
      const bool inside =
          value && *value >= spec.limits.least_number && *value <= spec.limits.most_number;
      return inside ? std::optional<SettingValue>(*value) : std::nullopt;
    }
    case SettingKind::text:
      return SettingValue(std::string(text));
    case SettingKind::choice:
      if (!is_choice(std::string(text))) return std::nullopt;
      return SettingValue(std::string(text));
    case SettingKind::list: {
      auto parts = split(text);
      if (!spec.choices.empty() && !std::ranges::all_of(parts, is_choice)) return std::nullopt;
      return SettingValue(std::move(parts));
    }
  }
  return std::nullopt;
}

}  // namespace

Result<SettingValue> SettingSpec::parse(std::string_view text) const {
  auto value = value_from(*this, kind == SettingKind::text ? text : trimmed(text));
  if (value) return std::move(*value);
  const std::string shown = secret ? "the value" : quoted_toml(text);
  return fail(Errc::invalid_config, key + ": " + shown + " is not allowed; give " + allowed());
}

std::string SettingSpec::human(const SettingValue& value) const {
  if (kind != SettingKind::bytes && kind != SettingKind::duration) return plain(value);
  const int64_t whole = std::get<int64_t>(value);
  if (kind == SettingKind::bytes) {
    return whole < 0 ? std::to_string(whole) : format_size(static_cast<uint64_t>(whole));
  }
  const bool bare = in_milliseconds() && (whole < 0 || whole > kMostMilliseconds);
  if (bare) return std::to_string(whole);
  return whole == 0 ? "0ms" : format_duration(std::chrono::milliseconds(whole));
}

std::string SettingSpec::plain(const SettingValue& value) const {
  switch (kind) {
    case SettingKind::boolean:
      return std::get<bool>(value) ? "true" : "false";
    case SettingKind::integer:
    case SettingKind::bytes:
      return std::to_string(std::get<int64_t>(value));
    case SettingKind::duration:
      return in_milliseconds() ? std::to_string(std::get<int64_t>(value)) : human(value);
    case SettingKind::number:
      return shortest(std::get<double>(value));
    case SettingKind::text:
    case SettingKind::choice:
      return std::get<std::string>(value);
    case SettingKind::list:
      return join(std::get<std::vector<std::string>>(value), ",");
  }
  return {};
}

std::string SettingSpec::toml(const SettingValue& value) const {
  switch (kind) {
    case SettingKind::boolean:
    case SettingKind::integer:
      return plain(value);
    case SettingKind::number: {
      const std::string text = plain(value);
      return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
    }
    case SettingKind::bytes:
    case SettingKind::duration: {
      const std::string text = human(value);
      return whole_text_as<int64_t>(text) ? text : quoted_toml(text);
    }
    case SettingKind::text:
    case SettingKind::choice:
      return quoted_toml(plain(value));
    case SettingKind::list: {
      auto parts = std::get<std::vector<std::string>>(value);
      for (auto& part : parts) part = quoted_toml(part);
      return "[" + join(parts, ", ") + "]";
    }
  }
  return {};
}

std::string SettingSpec::allowed() const {
  std::string out(noun(kind));
  switch (kind) {
    case SettingKind::integer:
    case SettingKind::bytes:
    case SettingKind::duration:
      out += in_range(shown_least(*this), shown_most(*this));
      return out.append(example(*this));
    case SettingKind::number: {
      const SettingLimits open;
      const auto bound = [](double at, double none) { return at == none ? "" : shortest(at); };
      return out + in_range(bound(limits.least_number, open.least_number),
                            bound(limits.most_number, open.most_number));
    }
    case SettingKind::choice:
      return out + join(choices, ", ");
    case SettingKind::list:
      return choices.empty() ? out : out + " of " + join(choices, ", ");
    case SettingKind::boolean:
    case SettingKind::text:
      return out;
  }
  return out;
}

std::string SettingSpec::environment_name() const {
  std::string name = "SLUICE_";
  for (char c : key) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += lower ? static_cast<char>(c - 'a' + 'A') : kept ? c : '_';
  }
  return name;
}

}  // namespace sluice
