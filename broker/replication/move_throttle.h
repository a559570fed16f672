#pragma once

#include <cstdint>

#include "base/guarded.h"
#include "base/time.h"

namespace sluice::broker {

/// Shares out what a broker may copy in a second of partitions that are being moved to it. Who is
/// in sync never asks. Thread-safe.
class MoveThrottle {
 public:
  /// 0: no bound.
  explicit MoveThrottle(uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  /// So much was copied: when the next may be, which is past when that was little.
  TimePoint copied(uint64_t bytes, TimePoint now);
  /// Of one fetch: at most a second's worth.
  uint32_t at_most(uint32_t bytes) const;

 private:
  const uint64_t bytes_per_second_;
  /// What was copied until now is paid for at this time.
  Guarded<TimePoint> paid_;
};

}  // namespace sluice::broker
