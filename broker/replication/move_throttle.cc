#include "broker/replication/move_throttle.h"

#include <algorithm>

namespace sluice::broker {
namespace {

/// What was not used counts for so long: a follower that only waits for new records is not slowed.
constexpr Duration kSaved = std::chrono::milliseconds(200);

}  // namespace

TimePoint MoveThrottle::copied(uint64_t bytes, TimePoint now) {
  if (bytes_per_second_ == 0) return now;
  const double seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second_);
  const auto cost = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  auto paid = paid_.lock();
  *paid = std::max(*paid, now - kSaved) + cost;
  return *paid;
}

uint32_t MoveThrottle::at_most(uint32_t bytes) const {
  if (bytes_per_second_ == 0) return bytes;
  return static_cast<uint32_t>(std::min<uint64_t>(bytes, bytes_per_second_));
}

}  // namespace sluice::broker
