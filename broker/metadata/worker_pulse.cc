#include "broker/metadata/worker_pulse.h"

#include <chrono>
#include <utility>

namespace sluice::broker {
namespace {

/// A worker that is merely busy answers within it.
constexpr Duration kPatience = std::chrono::milliseconds(150);
constexpr Duration kLongestStall = std::chrono::seconds(10);

}  // namespace

WorkerPulse::WorkerPulse(io::Executor& executor) {
  for (size_t i = 0; i < executor.workers(); ++i) beats_.push_back({executor.worker(i), {}});
}

Duration WorkerPulse::stall(TimePoint now) {
  const Duration since = now - std::exchange(asked_, now);
  bool stands_still = false;
  for (Beat& beat : beats_) {
    if (!beat.sent) {
      beat.sent = now;
      asking_.start(ask(beat));
    } else if (now - *beat.sent >= kPatience && now - *beat.sent < kLongestStall) {
      stands_still = true;
    }
  }
  return stands_still ? since : Duration{0};
}

io::Task<void> WorkerPulse::ask(Beat& beat) {
  io::Loop& control = *io::Loop::current();
  co_await beat.worker.enter();
  co_await control.enter();
  beat.sent.reset();
}

io::Task<void> WorkerPulse::stop() { co_await asking_.join(); }

}  // namespace sluice::broker
