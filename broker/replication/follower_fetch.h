#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/strong.h"

namespace sluice::broker {

/// A broker that fetches to replicate.
struct ReplicaIdentity {
  NodeId node{-1};
  uint64_t broker_epoch = 0;
};

/// Where a follower stands when it fetches from a partition.
struct FollowerFetch {
  ReplicaIdentity replica;
  /// Its log end: what it wants next.
  Offset offset{0};
  Offset synced_end{-1};
  /// Where its log begins, also after a loss of power.
  Offset log_start{-1};
  /// The leader epoch it believes in.
  std::optional<LeaderEpoch> leader_epoch;
  /// Epoch of its last record; none in an empty log.
  std::optional<LeaderEpoch> last_epoch;
};

/// Where a client's reader stands when it fetches from a partition.
struct ReaderFetch {
  Offset offset{0};
  /// The leader epoch it believes in.
  std::optional<LeaderEpoch> leader_epoch;
  /// Epoch of the record before the offset, if it read that.
  std::optional<LeaderEpoch> last_epoch;
  /// It takes what a follower knows to be committed.
  bool from_follower = false;
};

/// Where a follower's log, or what a reader has read, parts from the leader's log: the largest
/// epoch at or below its last one that the leader knows, and where that ends in the leader's log.
struct Divergence {
  LeaderEpoch epoch{-1};
  Offset end{-1};
};

/// Where a follower goes on.
struct FollowerPosition {
  /// Also after a loss of power.
  Offset log_start{0};
  Offset log_end{0};
  Offset synced_end{0};
  std::optional<LeaderEpoch> last_epoch;
};

/// What a leader answered.
struct FetchedRecords {
  /// Whole batches, stamped by the leader; may be empty. Lives until it is appended.
  MutableBytes batches;
  /// What was asked for: the leader found everything before it to be the same in both logs.
  Offset from{0};
  Offset high_watermark{-1};
  Offset log_start{-1};
};

/// What went when a follower cut its log.
struct FollowerCut {
  Offset from{0};
  Offset to{0};
  /// Committed records went: only an unclean election may do that.
  bool below_high_watermark = false;
};

}  // namespace sluice::broker
