#include "client/cli/time_text.h"

#include <charconv>
#include <chrono>
#include <optional>
#include <string>

#include "base/size_text.h"

namespace sluice::cli {
namespace {

using std::chrono::milliseconds;

std::unexpected<Error> refuse(std::string_view text) {
  return fail(Errc::invalid_argument,
              "'" + std::string(text) +
                  "' is no time; take 2026-11-21T07:00:00Z, milliseconds since 1970, now-1h or "
                  "-15m");
}

/// Reads a text from the front in fixed pieces.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}
  bool at_end() const { return rest_.empty(); }

  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// Exactly `digits` digits.
  std::optional<int> number(size_t digits) {
    if (rest_.size() < digits) return std::nullopt;
    int value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + digits, value);
    if (error != std::errc{} || end != rest_.data() + digits || value < 0) return std::nullopt;
    rest_.remove_prefix(digits);
    return value;
  }
  /// What stands behind a decimal point, in milliseconds; further digits are cut off.
  std::optional<milliseconds> fraction() {
    int64_t value = 0;
    size_t digits = 0;
    for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; rest_.remove_prefix(1)) {
      if (digits++ < 3) value = value * 10 + (rest_.front() - '0');
    }
    if (digits == 0) return std::nullopt;
    for (; digits < 3; ++digits) value *= 10;
    return milliseconds(value);
  }
  std::optional<std::chrono::minutes> zone() {
    if (take('Z') || take('z')) return std::chrono::minutes(0);
    const int sign = take('+') ? 1 : take('-') ? -1 : 0;
    if (sign == 0) return std::nullopt;
    const auto hours = number(2);
    if (!hours || *hours > 23 || !take(':')) return std::nullopt;
    const auto minutes = number(2);
    if (!minutes || *minutes > 59) return std::nullopt;
    return sign * std::chrono::minutes(*hours * 60 + *minutes);
  }

 private:
  std::string_view rest_;
};

std::optional<std::chrono::sys_days> parse_date(Cursor& cursor) {
  const auto year = cursor.number(4);
  if (!year || !cursor.take('-')) return std::nullopt;
  const auto month = cursor.number(2);
  if (!month || !cursor.take('-')) return std::nullopt;
  const auto day = cursor.number(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

std::optional<milliseconds> parse_clock(Cursor& cursor) {
  const auto hours = cursor.number(2);
  if (!hours || *hours > 23 || !cursor.take(':')) return std::nullopt;
  const auto minutes = cursor.number(2);
  if (!minutes || *minutes > 59) return std::nullopt;
  milliseconds time = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  if (!cursor.take(':')) return time;
  const auto seconds = cursor.number(2);
  if (!seconds || *seconds > 59) return std::nullopt;
  time += std::chrono::seconds(*seconds);
  if (!cursor.take('.')) return time;
  const auto fraction = cursor.fraction();
  if (!fraction) return std::nullopt;
  return time + *fraction;
}

Result<Timestamp> parse_calendar(std::string_view text) {
  Cursor cursor(text);
  const auto date = parse_date(cursor);
  if (!date || (!cursor.take('T') && !cursor.take(' '))) return refuse(text);
  const auto time = parse_clock(cursor);
  if (!time) return refuse(text);
  if (cursor.at_end()) {
    return fail(Errc::invalid_argument,
                "'" + std::string(text) + "' names no zone; put Z (UTC) or +01:00 behind it");
  }
  const auto zone = cursor.zone();
  if (!zone || !cursor.at_end()) return refuse(text);
  return Timestamp((date->time_since_epoch() + *time - *zone).count());
}

Result<Timestamp> moved(Timestamp now, std::string_view by, std::string_view text) {
  const auto duration = parse_duration(by);
  if (!duration) return refuse(text);
  return now + std::chrono::duration_cast<milliseconds>(*duration).count();
}

}  // namespace

Result<Timestamp> parse_time(std::string_view text, Timestamp now) {
  if (text == "now") return now;
  if (text.starts_with("now-")) return moved(now, text.substr(3), text);
  if (text.starts_with("now+")) return moved(now, text.substr(4), text);
  if (text.starts_with('-')) return moved(now, text, text);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) return Timestamp(value);
  return parse_calendar(text);
}

}  // namespace sluice::cli
