#include "io/timer_queue.h"

namespace sluice::io {

void TimerQueue::arm(Timer& timer, TimePoint at) {
  disarm(timer);
  timer.at_ = at;
  timer.sequence_ = sequence_++;
  timer.armed_ = true;
  timers_.emplace(std::pair(timer.at_, timer.sequence_), &timer);
}

void TimerQueue::disarm(Timer& timer) {
  if (!timer.armed_) return;
  timers_.erase({timer.at_, timer.sequence_});
  timer.armed_ = false;
}

std::optional<TimePoint> TimerQueue::next() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first.first;
}

Timer* TimerQueue::take_due(TimePoint now) {
  const auto first = timers_.begin();
  if (first == timers_.end() || first->first.first > now) return nullptr;
  Timer* timer = first->second;
  timers_.erase(first);
  timer->armed_ = false;
  return timer;
}

}  // namespace sluice::io
