#include "broker/metadata/elections.h"

#include <algorithm>
#include <cstdint>

#include "base/mutation.h"

namespace sluice::broker {
namespace {

void leave_in_sync(PartitionImage& partition, const BrokerStates& states) {
  std::vector<NodeId> left;
  std::vector<NodeId> whole;
  for (const NodeId id : partition.in_sync) {
    if (!has(partition.damaged, id)) whole.push_back(id);
    if (!has(partition.damaged, id) && states.serves(id)) left.push_back(id);
  }
  // All went at once: without a leader nothing is committed, so each of them still has all. One
  // that is damaged stays only where all are: nobody else has what is left.
  if (!left.empty()) {
    partition.in_sync = std::move(left);
  } else if (!whole.empty()) {
    partition.in_sync = std::move(whole);
  }
}

void drop_replicas(PartitionImage& partition, const std::vector<NodeId>& gone) {
  const auto is_gone = [&](NodeId id) { return has(gone, id); };
  std::erase_if(partition.replicas, is_gone);
  std::erase_if(partition.in_sync, is_gone);
  std::erase_if(partition.eligible, is_gone);
  std::erase_if(partition.damaged, is_gone);
}

void finish_move(const PartitionImage& before, PartitionImage& partition,
                 const ElectionRules& rules) {
  if (partition.adding.empty() && partition.removing.empty()) return;
  const auto in_sync = [&](NodeId id) { return has(partition.in_sync, id); };
  if (!std::ranges::all_of(partition.adding, in_sync)) return;
  // Whoever stays must have the records before the others go.
  if (!may_go(partition, partition.removing, rules)) return;
  // Also what the leader commits with one that has left the set in this very step, or when too few
  // were left: the leader may not have heard of that yet.
  const bool counted = std::ranges::any_of(partition.removing, [&](NodeId id) {
    return has(before.in_sync, id) || has(before.eligible, id);
  });
  const size_t stay = partition.replicas.size() - partition.removing.size();
  const size_t least = std::min(static_cast<size_t>(rules.min_in_sync), stay);
  if (counted && partition.in_sync.size() < least) return;
  const std::vector<NodeId> gone = std::move(partition.removing);
  partition.adding.clear();
  partition.removing.clear();
  drop_replicas(partition, gone);
}

NodeId first_to_lead(const PartitionImage& partition, const std::vector<NodeId>& among,
                     const BrokerStates& states) {
  for (const NodeId id : partition.replicas) {
    if (has(among, id) && states.may_lead(id)) return id;
  }
  return kNoLeader;
}

/// Whether it may go on: a leader that wants to stop does while nobody takes over.
bool keeps_leading(const PartitionImage& partition, const BrokerStates& states) {
  return partition.leader != kNoLeader && has(partition.in_sync, partition.leader) &&
         states.serves(partition.leader) &&
         (states.may_lead(partition.leader) ||
          first_to_lead(partition, partition.in_sync, states) == kNoLeader);
}

/// Who has everything takes over from the last one in sync that lost something of it.
bool replace_damaged(PartitionImage& partition, const BrokerStates& states) {
  const auto is_damaged = [&](NodeId id) { return has(partition.damaged, id); };
  if (!std::ranges::all_of(partition.in_sync, is_damaged)) return false;
  const NodeId id = first_to_lead(partition, partition.eligible, states);
  if (id == kNoLeader) return false;
  partition.leader = id;
  partition.in_sync = {id};
  return true;
}

void elect(PartitionImage& partition, const ElectionRules& rules, const BrokerStates& states) {
  if (replace_damaged(partition, states)) return;
  if (states.may_lead(partition.leader) && has(partition.in_sync, partition.leader)) return;
  const bool anyone = mutated(Mutation::elect_anyone);
  const auto& among = anyone ? partition.replicas : partition.in_sync;
  if (const NodeId id = first_to_lead(partition, among, states); id != kNoLeader) {
    partition.leader = id;
    if (anyone) partition.in_sync = {id};
    return;
  }
  if (keeps_leading(partition, states)) return;
  if (const NodeId id = first_to_lead(partition, partition.eligible, states); id != kNoLeader) {
    partition.leader = id;
    partition.in_sync = {id};
    return;
  }
  partition.leader = kNoLeader;
  if (!rules.unclean) return;
  std::vector<NodeId> known = partition.replicas;
  std::erase_if(known,
                [&](NodeId id) { return has(partition.adding, id) || has(partition.damaged, id); });
  NodeId id = first_to_lead(partition, known, states);
  if (id == kNoLeader) id = first_to_lead(partition, partition.replicas, states);
  if (id == kNoLeader) return;
  partition.leader = id;
  partition.in_sync = {id};
}

/// As nearly every partition is at nearly every look.
bool is_settled(const PartitionImage& partition, const BrokerStates& states) {
  return partition.adding.empty() && partition.removing.empty() && partition.damaged.empty() &&
         states.may_lead(partition.leader) && has(partition.in_sync, partition.leader) &&
         std::ranges::all_of(partition.in_sync, [&](NodeId id) { return states.serves(id); });
}

bool is_unclean(const PartitionImage& before, NodeId leader) {
  return leader != kNoLeader && !has(before.in_sync, leader) && !has(before.eligible, leader);
}

}  // namespace

bool has(const std::vector<NodeId>& nodes, NodeId id) {
  return std::ranges::find(nodes, id) != nodes.end();
}

bool may_go(const PartitionImage& partition, const std::vector<NodeId>& gone,
            const ElectionRules& rules) {
  const auto goes = [&](NodeId id) { return has(gone, id); };
  const auto count_going = [&](const std::vector<NodeId>& of) {
    return static_cast<size_t>(std::ranges::count_if(of, goes));
  };
  const size_t going = count_going(partition.in_sync);
  const size_t replicas = partition.replicas.size() - count_going(partition.replicas);
  const size_t least = std::min(static_cast<size_t>(rules.min_in_sync), replicas);
  return going == 0 || partition.in_sync.size() - going >= std::max<size_t>(least, 1);
}

void settle_eligible(const PartitionImage& before, PartitionImage& after,
                     const ElectionRules& rules) {
  // While a move is under way its leader may count by either set of replicas.
  const size_t replicas =
      after.replicas.size() - std::max(after.adding.size(), after.removing.size());
  const size_t bound = std::min(static_cast<size_t>(rules.min_in_sync), replicas);
  std::vector<NodeId> eligible;
  // While the set is large enough commits go on, and who is outside misses them.
  if (after.in_sync.size() < bound && !is_unclean(before, after.leader)) {
    for (const NodeId id : after.replicas) {
      const bool had_all = has(before.in_sync, id) || has(before.eligible, id);
      if (had_all && !has(after.in_sync, id) && !has(after.damaged, id)) eligible.push_back(id);
    }
  }
  after.eligible = std::move(eligible);
}

void count_epochs(const PartitionImage& before, PartitionImage& after) {
  after.leader_epoch = before.leader_epoch;
  after.partition_epoch = before.partition_epoch;
  if (after == before) return;
  ++after.partition_epoch;
  const bool replica_went =
      std::ranges::any_of(before.replicas, [&](NodeId id) { return !has(after.replicas, id); });
  if (mutated(Mutation::reuse_epoch)) return;
  if (after.leader != before.leader || replica_went) ++after.leader_epoch;
}

PartitionImage settled(const PartitionImage& before, const ElectionRules& rules,
                       const BrokerStates& states) {
  PartitionImage after = before;
  if (after.in_sync.empty() || after.replicas.empty() || is_settled(before, states)) return after;
  leave_in_sync(after, states);
  finish_move(before, after, rules);
  elect(after, rules, states);
  if (after.in_sync != before.in_sync || after.replicas != before.replicas) {
    settle_eligible(before, after, rules);
  }
  count_epochs(before, after);
  return after;
}

PartitionImage with_damage(const PartitionImage& before, NodeId node, bool damaged,
                           const ElectionRules& rules, const BrokerStates& states) {
  if (!has(before.replicas, node) || has(before.damaged, node) == damaged) return before;
  PartitionImage after = before;
  if (damaged) {
    after.damaged.push_back(node);
    std::erase(after.eligible, node);
  } else {
    std::erase(after.damaged, node);
  }
  PartitionImage once = settled(after, rules, states);
  settle_eligible(before, once, rules);
  count_epochs(before, once);
  return once;
}

PartitionImage led_by(const PartitionImage& before, NodeId leader) {
  PartitionImage after = before;
  after.leader = leader;
  count_epochs(before, after);
  return after;
}

}  // namespace sluice::broker
