#include "io/clock.h"

#include <time.h>

namespace sluice::io {
namespace {

Duration read_clock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

TimePoint SystemClock::now() const { return TimePoint(read_clock(CLOCK_MONOTONIC)); }

Timestamp SystemClock::wall_now() const {
  const auto since_epoch = read_clock(CLOCK_REALTIME);
  return Timestamp(std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count());
}

}  // namespace sluice::io
