#pragma once

#include <chrono>
#include <cstdint>

#include "base/strong.h"

namespace sluice {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

/// Time that never goes back, for time-outs and durations. Only a Clock makes one.
struct MonotonicClockTag {
  using rep = int64_t;
  using period = std::nano;
  using duration = Duration;
  using time_point = std::chrono::time_point<MonotonicClockTag, Duration>;
  static constexpr bool is_steady = true;
};
using TimePoint = MonotonicClockTag::time_point;

/// Wall time as records carry it: milliseconds since the epoch; -1 is "none".
using Timestamp = Strong<int64_t, struct TimestampTag>;
inline constexpr Timestamp kNoTimestamp{-1};

/// Where time comes from. Protocol logic is handed `now` and never holds a Clock.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
  virtual Timestamp wall_now() const = 0;
};

}  // namespace sluice
