#include "client/consumer/epoch_trail.h"

#include <algorithm>

namespace sluice::client {

void EpochTrail::read(LeaderEpoch epoch, Offset first) {
  if (epoch.value() < 0 || epoch < last()) {
    // Nothing that a leader stamped: better no check than a wrong one.
    forget();
    return;
  }
  if (epoch == last()) return;
  marks_.push_back({epoch, first});
  if (marks_.size() > kMost) marks_.pop_front();
}

void EpochTrail::back_to(Offset to) {
  while (!marks_.empty() && marks_.back().first >= to) marks_.pop_back();
}

EpochTrail::Parting EpochTrail::part(LeaderEpoch epoch, Offset end) const {
  const auto later = std::ranges::upper_bound(marks_, epoch, {}, &Mark::epoch);
  // What was read of this epoch and of earlier ones ends where the next one begins.
  Parting parting{.at = later == marks_.end() ? end : std::min(end, later->first)};
  // An epoch has one leader, so what two logs have of it is the same. Without it, they may part
  // anywhere in the epochs before, as far as those are remembered.
  parting.certain = later == marks_.begin() || (later - 1)->epoch == epoch;
  return parting;
}

}  // namespace sluice::client
