#pragma once

#include <cstdint>

#include "base/time.h"

namespace sluice::sim {

/// The simulator's own time since its start; nodes see it through a NodeClock.
using TrueTime = Duration;

/// A node's clocks. The monotonic one has an origin of its own and may drift; the wall clock may
/// also be off and jump.
class NodeClock final : public Clock {
 public:
  /// `now` is the simulator's time and outlives this. `drift_ppm`: microseconds gained a second.
  NodeClock(const TrueTime& now, Duration origin, int64_t drift_ppm, Duration wall_skew)
      : now_(now), origin_(origin), drift_ppm_(drift_ppm), wall_skew_(wall_skew) {}

  TimePoint now() const override { return at(now_); }
  Timestamp wall_now() const override {
    const auto wall = kWallEpoch + (now() - TimePoint{} - origin_) + wall_skew_;
    return Timestamp(std::chrono::duration_cast<std::chrono::milliseconds>(wall).count());
  }

  /// Steps the wall clock, back when negative, as an operator or NTP may.
  void jump_wall(Duration by) { wall_skew_ += by; }

  TimePoint at(TrueTime time) const {
    return TimePoint{} + origin_ + time + scaled(time.count(), drift_ppm_, 1'000'000);
  }
  /// The first true time at which this clock shows `shown` or more.
  TrueTime when(TimePoint shown) const {
    const Duration since = shown - TimePoint{} - origin_;
    TrueTime time = since - scaled(since.count(), drift_ppm_, 1'000'000 + drift_ppm_);
    while (at(time) < shown) ++time;
    return time;
  }

 private:
  static constexpr Duration kWallEpoch = std::chrono::seconds(1'704'067'200);  // 2024-01-01 UTC

  static Duration scaled(int64_t value, int64_t by, int64_t per) {
    int64_t product = 0;
    if (!__builtin_mul_overflow(value, by, &product)) return Duration(product / per);
    return Duration(static_cast<int64_t>(static_cast<__int128>(value) * by / per));
  }

  const TrueTime& now_;
  const Duration origin_;
  const int64_t drift_ppm_;
  Duration wall_skew_;
};

}  // namespace sluice::sim
