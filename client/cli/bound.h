#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"

namespace sluice::cli {

/// Where reading begins or ends, as `--from` and `--until` say it.
struct Bound {
  enum class Kind : uint8_t { beginning, end, offset, before_end, time } kind = Kind::beginning;
  /// Of `offset`: the offset; of `before_end`: how many offsets before the end.
  int64_t offset = 0;
  /// Of `time`.
  Timestamp time = kNoTimestamp;
};

/// "beginning", "end", an offset ("42"; "-10": ten before the end) or a TIME as parse_time takes
/// it. Numbers of 13 digits and more are milliseconds since the epoch; "offset:N" says otherwise.
Result<Bound> parse_bound(std::string_view text, Timestamp now);

}  // namespace sluice::cli
