#pragma once

#include "base/time.h"

namespace sluice::io {

/// The machine's clocks: CLOCK_MONOTONIC and CLOCK_REALTIME. Thread-safe.
class SystemClock final : public Clock {
 public:
  TimePoint now() const override;
  Timestamp wall_now() const override;
};

}  // namespace sluice::io
