#pragma once

#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace sluice::cli {

/// A TIME of the command line: "2026-11-21T07:00:00Z" (RFC 3339; the zone is asked for, never
/// guessed), "1763708400000" (milliseconds since the epoch), "now", "now-1h", "now+5m", "-15m".
/// invalid_argument with the value and these forms.
Result<Timestamp> parse_time(std::string_view text, Timestamp now);

}  // namespace sluice::cli
