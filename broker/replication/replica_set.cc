#include "broker/replication/replica_set.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/mutation.h"

namespace sluice::broker {
namespace {

bool contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::ranges::find(nodes, node) != nodes.end();
}

/// The controller's last word on this partition epoch: asking again changes nothing.
bool is_final(const Error& error) {
  return !error.retriable() || error == Errc::fenced_leader_epoch || error == Errc::not_leader ||
         error == Errc::unknown_leader_epoch || error == Errc::unknown_topic_id;
}

}  // namespace

ReplicaSet::ReplicaSet(Leadership leadership, const PartitionImage& image, ReplicaRules rules)
    : self_(leadership.self),
      epoch_start_(leadership.epoch_start),
      began_(leadership.now),
      rules_(rules) {
  partition_epoch_ = image.partition_epoch;
  in_sync_ = image.in_sync;
  set_replicas(image, leadership.now);
}

void ReplicaSet::apply(const PartitionImage& image, TimePoint now) {
  if (image.partition_epoch < partition_epoch_) return;
  // Of the same epoch: the controller may have taken a smaller set than the one it was asked for,
  // and ended a move in the same step. The answer told only the epoch.
  const bool later = image.partition_epoch > partition_epoch_;
  partition_epoch_ = image.partition_epoch;
  in_sync_ = image.in_sync;
  if (later || refused_) {
    // Whatever was asked for was this change, or is refused: it was decided on an earlier epoch.
    pending_.reset();
    in_flight_ = refused_ = false;
  }
  set_replicas(image, now);
}

void ReplicaSet::set_replicas(const PartitionImage& image, TimePoint now) {
  replicas_ = image.replicas;
  damaged_ = image.damaged;
  std::erase_if(followers_, [&](const Follower& f) { return !contains(replicas_, f.node); });
  for (const NodeId node : replicas_) {
    if (node == self_ || has(node)) continue;
    Follower& follower = followers_.emplace_back();
    follower.node = node;
    // Who is in sync gets its time to show itself to a new leader.
    if (contains(in_sync_, node)) follower.caught_up = now;
  }
}

const ReplicaSet::Follower* ReplicaSet::find(NodeId node) const {
  const auto at = std::ranges::find(followers_, node, &Follower::node);
  return at == followers_.end() ? nullptr : &*at;
}

bool ReplicaSet::has(NodeId node) const { return find(node) != nullptr; }
bool ReplicaSet::is_in_sync(NodeId node) const { return contains(in_sync_, node); }
bool ReplicaSet::is_waited_for(NodeId node) const {
  return is_in_sync(node) ||
         (!mutated(Mutation::commit_without_pending) && pending_ && contains(*pending_, node));
}
size_t ReplicaSet::min_in_sync() const {
  return std::min<size_t>(rules_.min_in_sync, replicas_.size());
}

Result<> ReplicaSet::admit(NodeId node, uint64_t broker_epoch) const {
  const Follower* follower = find(node);
  if (follower == nullptr) {
    return fail(Errc::unknown_topic_or_partition, "broker " + std::to_string(node.value()) +
                                                      " has no replica of this partition, as yet");
  }
  if (broker_epoch < follower->broker_epoch) {
    return fail(Errc::fenced_leader_epoch,
                "broker " + std::to_string(node.value()) + " has started again since its epoch " +
                    std::to_string(broker_epoch) + "; this is an old connection of it");
  }
  return {};
}

void ReplicaSet::fetched(NodeId node, uint64_t broker_epoch, ReplicaEnds ends, Offset leader_end,
                         TimePoint now) {
  const auto follower = std::ranges::find(followers_, node, &Follower::node);
  if (follower == followers_.end()) return;
  // Admitted before the broker started again, and late.
  if (broker_epoch < follower->broker_epoch) return;
  if (broker_epoch > follower->broker_epoch) {
    follower->broker_epoch = broker_epoch;
    follower->leader_end_then = Offset{-1};
    follower->cannot_append = false;
  }
  if (ends.log_end > follower->ends.log_end) follower->cannot_append = false;
  if (ends.log_end >= leader_end) {
    follower->caught_up = now;
  } else if (follower->leader_end_then.value() >= 0 && ends.log_end >= follower->leader_end_then) {
    follower->caught_up =
        std::max(follower->caught_up.value_or(follower->last_fetch), follower->last_fetch);
  }
  follower->leader_end_then = leader_end;
  follower->last_fetch = now;
  follower->ends = ends;
}

void ReplicaSet::cannot_append(NodeId node, uint64_t broker_epoch) {
  const auto follower = std::ranges::find(followers_, node, &Follower::node);
  if (follower == followers_.end() || broker_epoch < follower->broker_epoch) return;
  follower->cannot_append = true;
}

Offset ReplicaSet::committable(ReplicaEnds own) const {
  if (has_too_few() && !mutated(Mutation::commit_below_min_in_sync)) return Offset{-1};
  const auto counted = [this](const ReplicaEnds& ends) {
    const bool synced = rules_.counts_synced && !mutated(Mutation::claim_synced);
    return synced ? std::min(ends.synced_end, ends.log_end) : ends.log_end;
  };
  Offset least = counted(own);
  if (mutated(Mutation::commit_by_leader)) return least;
  for (const Follower& follower : followers_) {
    if (is_waited_for(follower.node)) least = std::min(least, counted(follower.ends));
  }
  return least;
}

bool ReplicaSet::all_start_at(Offset start) const {
  return std::ranges::all_of(followers_, [&](const Follower& follower) {
    return !is_waited_for(follower.node) || follower.ends.log_start >= start;
  });
}

size_t ReplicaSet::count_having(Offset end, ReplicaEnds own, bool synced) const {
  const auto has_it = [&](const ReplicaEnds& ends) {
    return ends.log_end >= end && (!synced || ends.synced_end >= end);
  };
  const auto counted = std::ranges::count_if(followers_, [&](const Follower& follower) {
    return is_in_sync(follower.node) && has_it(follower.ends);
  });
  return static_cast<size_t>(counted) + (has_it(own) ? 1 : 0);
}

std::vector<ReplicaSet::Progress> ReplicaSet::progress(Offset leader_end, TimePoint now) const {
  std::vector<Progress> all;
  for (const NodeId node : replicas_) {
    const Follower* follower = find(node);
    if (follower == nullptr) continue;
    Progress& progress = all.emplace_back();
    progress.node = node;
    progress.log_end = follower->ends.log_end;
    if (progress.log_end.value() >= 0) {
      progress.lacks = std::max<int64_t>(0, leader_end - progress.log_end);
    }
    if (progress.lacks == 0) continue;
    progress.behind = now - follower->caught_up.value_or(began_);
  }
  return all;
}

bool ReplicaSet::could_join(NodeId node, Offset high_watermark) const {
  const Follower* follower = find(node);
  return follower != nullptr && !pending_ && !is_in_sync(node) && !contains(damaged_, node) &&
         !follower->cannot_append &&
         ((follower->ends.log_end >= high_watermark && follower->ends.log_end >= epoch_start_) ||
          mutated(Mutation::join_behind));
}

bool ReplicaSet::is_lagging(Follower& follower, Offset leader_end, TimePoint now) const {
  if (follower.ends.log_end >= leader_end) {
    // Of a partition where nothing happens there is no fetch to be seen.
    follower.caught_up = now;
    return false;
  }
  return follower.cannot_append || !follower.caught_up ||
         now - *follower.caught_up > rules_.lag_max;
}

std::optional<std::vector<NodeId>> ReplicaSet::propose(Offset leader_end, Offset high_watermark,
                                                       TimePoint now, const MayJoin& may_join) {
  if (pending_) {
    if (!wants_retry()) return std::nullopt;
    in_flight_ = true;
    return pending_;
  }
  std::vector<NodeId> wanted;
  for (const NodeId node : replicas_) {
    const auto follower = std::ranges::find(followers_, node, &Follower::node);
    const bool belongs =
        node == self_ || (is_in_sync(node) ? !is_lagging(*follower, leader_end, now)
                                           : could_join(node, high_watermark) &&
                                                 may_join(node, follower->broker_epoch));
    if (belongs) wanted.push_back(node);
  }
  if (std::ranges::is_permutation(wanted, in_sync_)) return std::nullopt;
  pending_epochs_.clear();
  for (const NodeId node : wanted) {
    const Follower* follower = find(node);
    pending_epochs_.push_back(follower == nullptr ? 0 : follower->broker_epoch);
  }
  pending_ = std::move(wanted);
  in_flight_ = true;
  return pending_;
}

void ReplicaSet::answered(uint32_t decided_on, const Result<uint32_t>& new_epoch) {
  if (!pending_ || !in_flight_ || decided_on != partition_epoch_) return;
  in_flight_ = false;
  if (!new_epoch) {
    // One that was to join may not: without it the next proposal is another.
    if (new_epoch.error() == Errc::not_enough_replicas) return pending_.reset();
    refused_ = is_final(new_epoch.error());
    return;
  }
  in_sync_ = std::move(*pending_);
  partition_epoch_ = *new_epoch;
  pending_.reset();
}

}  // namespace sluice::broker
