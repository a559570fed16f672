#include "broker/metadata/in_sync_check.h"

#include <algorithm>
#include <string>

#include "base/mutation.h"
#include "broker/metadata/elections.h"

namespace sluice::broker {
namespace {

Result<> check_epochs(const PartitionImage& before, const InSyncChange& change, NodeId from) {
  if (before.leader != from) {
    return fail(Errc::not_leader, "broker " + std::to_string(before.leader.value()) +
                                      " leads the partition, not " + std::to_string(from.value()));
  }
  if (change.leader_epoch != before.leader_epoch && !mutated(Mutation::ignore_epoch)) {
    const bool older = change.leader_epoch < before.leader_epoch;
    return fail(older ? Errc::fenced_leader_epoch : Errc::unknown_leader_epoch,
                "the leader epoch is " + std::to_string(before.leader_epoch.value()) + ", not " +
                    std::to_string(change.leader_epoch.value()));
  }
  return {};
}

Result<> check_members(const PartitionImage& before, const InSyncChange& change, NodeId from,
                       const BrokerStates& states) {
  if (!has(change.in_sync, from)) {
    return fail(Errc::invalid_request, "a leader is in its in-sync set");
  }
  for (const NodeId id : change.in_sync) {
    const std::string name = "broker " + std::to_string(id.value());
    if (!has(before.replicas, id)) {
      return fail(Errc::invalid_request, name + " has no replica of the partition");
    }
    if (std::ranges::count(change.in_sync, id) != 1) {
      return fail(Errc::invalid_request, name + " stands twice in the in-sync set");
    }
    if (!has(before.in_sync, id) && has(before.damaged, id)) {
      return fail(Errc::not_enough_replicas,
                  name + " has lost records; ask again when it is whole");
    }
    if (!has(before.in_sync, id) && !states.may_lead(id)) {
      return fail(Errc::not_enough_replicas,
                  name + " is fenced or stops; ask again when it serves");
    }
  }
  return {};
}

/// In the order of the replicas: the same set is the same bytes.
std::vector<NodeId> ordered(const std::vector<NodeId>& set, const std::vector<NodeId>& replicas) {
  std::vector<NodeId> inside;
  for (const NodeId id : replicas) {
    if (has(set, id)) inside.push_back(id);
  }
  return inside;
}

}  // namespace

Result<PartitionImage> with_in_sync(const PartitionImage& before, const InSyncChange& change,
                                    NodeId from, const ElectionRules& rules,
                                    const BrokerStates& states) {
  RETURN_IF_ERROR(check_epochs(before, change, from));
  const std::vector<NodeId> wanted = ordered(change.in_sync, before.replicas);
  const bool all_known = wanted.size() == change.in_sync.size();
  if (all_known && wanted == ordered(before.in_sync, before.replicas)) return before;
  if (change.partition_epoch != before.partition_epoch) {
    return fail(Errc::fenced_leader_epoch,
                "the partition epoch is " + std::to_string(before.partition_epoch) + ", not " +
                    std::to_string(change.partition_epoch) + "; look again and repeat");
  }
  RETURN_IF_ERROR(check_members(before, change, from, states));
  PartitionImage after = before;
  after.in_sync = wanted;
  settle_eligible(before, after, rules);
  count_epochs(before, after);
  // The last of a move's newcomers ends the move, in the same step.
  const PartitionImage done = settled(after, rules, states);
  if (done == after) return after;
  PartitionImage once = done;
  count_epochs(before, once);
  return once;
}

}  // namespace sluice::broker
