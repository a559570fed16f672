#pragma once

#include <optional>
#include <utility>

#include <absl/container/btree_map.h>

#include "io/loop.h"

namespace sluice::io {

/// The armed timers of a loop, in the order they fire; equal times fire in the order of arming.
class TimerQueue {
 public:
  void arm(Timer& timer, TimePoint at);
  void disarm(Timer& timer);
  std::optional<TimePoint> next() const;
  /// Takes the first timer that is due, disarmed; null when none is.
  Timer* take_due(TimePoint now);
  size_t size() const { return timers_.size(); }

 private:
  absl::btree_map<std::pair<TimePoint, uint64_t>, Timer*> timers_;
  uint64_t sequence_ = 0;
};

}  // namespace sluice::io
