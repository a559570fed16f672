#pragma once

#include <cstddef>
#include <deque>

#include "base/strong.h"

namespace sluice::client {

/// Which leaders wrote what a reader has read of a partition: the first offset read of each leader
/// epoch. A log that was cut since shows in it, and how far back (KIP-320). Remembers the last
/// epochs only.
class EpochTrail {
 public:
  /// -1: nothing is known of the record before the next one.
  LeaderEpoch last() const { return marks_.empty() ? LeaderEpoch{-1} : marks_.back().epoch; }
  void forget() { marks_.clear(); }
  /// A batch of this epoch that begins at `first` was read.
  void read(LeaderEpoch epoch, Offset first);
  /// The reader goes back to `to`, or stays.
  void back_to(Offset to);

  struct Parting {
    /// What was read before it is still in the log.
    Offset at{0};
    /// False: perhaps less is; the broker is to be asked again with what is left.
    bool certain = true;
  };
  /// The broker's largest epoch at or below last() is `epoch`, and ends at `end`.
  Parting part(LeaderEpoch epoch, Offset end) const;

 private:
  struct Mark {
    LeaderEpoch epoch;
    Offset first;
  };
  static constexpr size_t kMost = 64;
  /// Growing in both.
  std::deque<Mark> marks_;
};

}  // namespace sluice::client
