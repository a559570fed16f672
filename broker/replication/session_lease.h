#pragma once

#include <atomic>
#include <cstdint>

#include "base/result.h"
#include "base/time.h"

namespace sluice::broker {

/// Until when this broker may acknowledge: as long as the controller counts on it, another broker
/// leads nothing of what it leads. Set on the control loop, asked from any: who was paused finds
/// its time run out before anybody tells it.
class SessionLease {
 public:
  bool holds(TimePoint now) const {
    return now.time_since_epoch().count() < until_.load(std::memory_order_acquire);
  }
  void set(TimePoint until) {
    until_.store(until.time_since_epoch().count(), std::memory_order_release);
  }

  /// To who wants something written: nothing is.
  static Error refusal() {
    return {Errc::not_leader,
            "this broker has lost its session with the controller and acknowledges nothing until "
            "it is back; ask for the metadata anew, another broker may lead"};
  }
  /// To who waits for what was written.
  static Error doubt() {
    return {Errc::outcome_unknown,
            "the broker lost its session with the controller before the records were acknowledged; "
            "send them again, a producer with an id does not write them twice"};
  }

 private:
  std::atomic<int64_t> until_{TimePoint::min().time_since_epoch().count()};
};

}  // namespace sluice::broker
