#pragma once

#include <deque>
#include <optional>

#include "base/time.h"
#include "io/runtime.h"
#include "io/sync.h"

namespace sluice::broker {

/// Whether the workers run. What other brokers say comes through them: while one stands still, at
/// a write that the device does not take or in a long computation, brokers seem silent that are
/// not. On the control loop.
class WorkerPulse {
 public:
  explicit WorkerPulse(io::Executor& executor);

  /// From here on time counts.
  void begin(TimePoint now) { asked_ = now; }
  /// The time since begin() or the last call, when a worker stands still; else none. One that does
  /// not come back at all counts as dead like anything else, and hides nobody's silence any more.
  Duration stall(TimePoint now);
  /// Before it dies; waits for workers that stand still.
  io::Task<void> stop();

 private:
  struct Beat {
    io::Loop& worker;
    /// Of the question that is not answered yet.
    std::optional<TimePoint> sent;
  };
  static io::Task<void> ask(Beat& beat);

  std::deque<Beat> beats_;
  TimePoint asked_{};
  io::Scope asking_;
};

}  // namespace sluice::broker
