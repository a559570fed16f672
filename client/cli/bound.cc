#include "client/cli/bound.h"

#include <charconv>
#include <optional>
#include <string>

#include "client/cli/time_text.h"

namespace sluice::cli {
namespace {

constexpr int64_t kLeastTimeInDigits = 1'000'000'000'000;

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<Bound> parse_bound(std::string_view text, Timestamp now) {
  using Kind = Bound::Kind;
  if (text == "beginning") return Bound{.kind = Kind::beginning};
  if (text == "end") return Bound{.kind = Kind::end};
  if (text.starts_with("offset:")) {
    const auto offset = whole_number(text.substr(7));
    if (offset && *offset >= 0) return Bound{.kind = Kind::offset, .offset = *offset};
  }
  if (const auto number = whole_number(text); number && *number < kLeastTimeInDigits) {
    if (*number < 0) return Bound{.kind = Kind::before_end, .offset = -*number};
    return Bound{.kind = Kind::offset, .offset = *number};
  }
  const auto time = parse_time(text, now);
  if (!time) {
    return fail(Errc::invalid_argument,
                "'" + std::string(text) +
                    "' is no place in a log; take beginning, end, an offset (42, or -10 for ten "
                    "before the end) or a time (2026-11-21T07:00:00Z, now-1h, -15m)");
  }
  return Bound{.kind = Kind::time, .time = *time};
}

}  // namespace sluice::cli
