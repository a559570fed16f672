#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace sluice {

// Sizes, durations and counts as people write and read them. Every parse_* refuses what it cannot
// represent exactly and says, in the error, the value and the forms it takes;
// Errc::invalid_argument.

/// Bytes: "0", "512 B", "64KiB", "1.5 GiB" (powers of 1024) or "10 MB" (powers of 1000); a bare
/// number is bytes.
Result<uint64_t> parse_size(std::string_view text);
/// "100 ms", "5m", "1h30m", "1.5s", "-15m"; units ns us ms s m h d w. Only 0 needs no unit.
Result<Duration> parse_duration(std::string_view text);
/// "1000000", "1,000,000" or "1_000_000".
Result<uint64_t> parse_count(std::string_view text);

/// In the largest power-of-1024 unit that is exact, so that parse_size gives the same: "64 MiB",
/// "1000 B".
std::string format_size(uint64_t bytes);
/// In the largest unit that is exact, so that parse_duration gives the same: "7d", "90s", "1500ms".
std::string format_duration(Duration duration);
/// "104,334".
std::string format_count(uint64_t count);

/// Rounded to what the eye takes in, powers of 1000: "985 KB", "1.2 GB".
std::string format_rough_size(uint64_t bytes);
/// "1.2 M", "985 K", "17".
std::string format_rough_count(double count);
/// "850ns", "12.3us", "1.2s", and above a minute as an age.
std::string format_rough_duration(Duration duration);
/// The two largest units: "3d4h", "5m", "12s"; "0s" below a second.
std::string format_age(Duration age);
/// "2026-11-21T10:15:00.123Z" (RFC 3339, UTC); "none" for kNoTimestamp.
std::string format_timestamp(Timestamp time);

}  // namespace sluice
