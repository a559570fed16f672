#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "broker/metadata/image.h"

namespace sluice::broker {

/// How far one replica has got; -1 while that is not known.
struct ReplicaEnds {
  Offset log_end{-1};
  /// Everything before it is on its device.
  Offset synced_end{-1};
  /// A follower's: nothing before it comes back, also after a loss of power.
  Offset log_start{-1};
};

struct ReplicaRules {
  /// More than there are replicas counts as all of them.
  uint32_t min_in_sync = 1;
  /// The topic flushes on every acknowledgement: only what is synced counts.
  bool counts_synced = false;
  /// Who has not been caught up for so long is out of sync.
  Duration lag_max = std::chrono::seconds(10);
};

/// A leader's view of the replicas of one partition: how far each has got, which are in sync, and
/// with that how far the high watermark may go. Pure: no lock, no time of its own.
///
/// One change of the in-sync set is in flight at a time. Until its outcome is known both sets hold:
/// whoever is in one of them is waited for, because the controller may have taken either.
class ReplicaSet {
 public:
  struct Leadership {
    NodeId self{-1};
    /// Where the leader's epoch begins in its log: who is in sync has all that is before it.
    Offset epoch_start{0};
    TimePoint now{};
  };
  ReplicaSet(Leadership leadership, const PartitionImage& image, ReplicaRules rules);

  void set_rules(ReplicaRules rules) { rules_ = rules; }
  const ReplicaRules& rules() const { return rules_; }
  /// An image of the same leadership; an earlier one changes nothing.
  void apply(const PartitionImage& image, TimePoint now);

  bool has(NodeId node) const;
  /// unknown_topic_or_partition: it is no replica; fenced_leader_epoch: it was started again since.
  Result<> admit(NodeId node, uint64_t broker_epoch) const;
  /// A follower that was admitted has everything before `ends.log_end`, as its fetch proved, while
  /// the leader's log ended at `leader_end`.
  void fetched(NodeId node, uint64_t broker_epoch, ReplicaEnds ends, Offset leader_end,
               TimePoint now);

  /// A follower that was admitted cannot append what it lacks: it is out of sync without waiting
  /// for it to lag, until it has got on.
  void cannot_append(NodeId node, uint64_t broker_epoch);

  /// How far the high watermark may go; -1 where nothing can be said, or too few are in sync.
  Offset committable(ReplicaEnds own) const;
  /// Every follower that is waited for begins there or behind.
  bool all_start_at(Offset start) const;
  Offset epoch_start() const { return epoch_start_; }
  bool has_too_few() const { return in_sync_.size() < min_in_sync(); }
  size_t min_in_sync() const;
  /// Replicas in sync that have everything before `end`; on their device, if `synced`.
  size_t count_having(Offset end, ReplicaEnds own, bool synced) const;

  /// A fetch of this follower may have made it one that could join.
  bool could_join(NodeId node, Offset high_watermark) const;
  /// The in-sync set to ask for, if it should be another than it is; the same again after an
  /// outcome that nobody knows. In flight until answered(). `may_join` knows brokers: not fenced,
  /// and in that broker epoch.
  using MayJoin = std::function<bool(NodeId, uint64_t broker_epoch)>;
  std::optional<std::vector<NodeId>> propose(Offset leader_end, Offset high_watermark,
                                             TimePoint now, const MayJoin& may_join);
  /// With which broker epochs its members were heard when it was proposed; 0: not heard.
  const std::vector<uint64_t>& pending_epochs() const { return pending_epochs_; }
  /// What became of the change that was proposed in this partition epoch.
  void answered(uint32_t decided_on, const Result<uint32_t>& new_epoch);
  /// The change in flight is to be asked for again.
  bool wants_retry() const { return pending_ && !in_flight_ && !refused_; }

  struct Progress {
    NodeId node{-1};
    /// -1: not heard of.
    Offset log_end{-1};
    /// Records that it lacks; nothing: not heard of.
    std::optional<int64_t> lacks;
    /// Since when it has not had all that the leader has; 0 while it has.
    Duration behind{0};
  };
  /// In the order of the replicas.
  std::vector<Progress> progress(Offset leader_end, TimePoint now) const;

  const std::vector<NodeId>& in_sync() const { return in_sync_; }
  uint32_t partition_epoch() const { return partition_epoch_; }

 private:
  struct Follower {
    NodeId node{-1};
    uint64_t broker_epoch = 0;
    ReplicaEnds ends;
    /// When it last had all that the leader had.
    std::optional<TimePoint> caught_up;
    /// Of its last fetch: having this much at the next one, it was caught up at that time.
    TimePoint last_fetch{};
    Offset leader_end_then{-1};
    bool cannot_append = false;
  };

  void set_replicas(const PartitionImage& image, TimePoint now);
  const Follower* find(NodeId node) const;
  bool is_in_sync(NodeId node) const;
  /// In the committed or the asked for set.
  bool is_waited_for(NodeId node) const;
  bool is_lagging(Follower& follower, Offset leader_end, TimePoint now) const;

  const NodeId self_;
  const Offset epoch_start_;
  const TimePoint began_;
  ReplicaRules rules_;
  uint32_t partition_epoch_ = 0;
  std::vector<NodeId> replicas_;
  std::vector<NodeId> in_sync_;
  /// They may not join, however far they are.
  std::vector<NodeId> damaged_;
  std::optional<std::vector<NodeId>> pending_;
  /// The same for every try: who starts again meanwhile has to show itself anew.
  std::vector<uint64_t> pending_epochs_;
  bool in_flight_ = false;
  /// The controller knows better: its next image says what.
  bool refused_ = false;
  std::vector<Follower> followers_;
};

}  // namespace sluice::broker
