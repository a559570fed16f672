#include "broker/metadata/partition_codec.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::broker {
namespace {

template <class Ids>
std::vector<NodeId> nodes_from(const Ids& ids) {
  std::vector<NodeId> nodes;
  nodes.reserve(static_cast<size_t>(ids.size()));
  for (const int32_t id : ids) nodes.push_back(NodeId{id});
  return nodes;
}

std::unexpected<Error> wrong(std::string_view what) {
  return fail(Errc::invalid_argument, "a partition's " + std::string(what));
}

/// Each once, and each of `all`.
bool is_set_of(const std::vector<NodeId>& some, const std::vector<NodeId>& all) {
  return std::ranges::all_of(some, [&](NodeId id) {
    return std::ranges::count(some, id) == 1 && std::ranges::find(all, id) != all.end();
  });
}

}  // namespace

PartitionImage partition_from(const cluster::PartitionAssignment& from) {
  PartitionImage to;
  to.replicas = nodes_from(from.replicas());
  to.in_sync = nodes_from(from.in_sync());
  to.eligible = nodes_from(from.eligible());
  to.adding = nodes_from(from.adding());
  to.removing = nodes_from(from.removing());
  to.damaged = nodes_from(from.damaged());
  to.partition_epoch = from.partition_epoch();
  to.leader = NodeId{from.leader()};
  to.leader_epoch = LeaderEpoch{from.leader_epoch()};
  return to;
}

void partition_to(const PartitionImage& from, cluster::PartitionAssignment& to) {
  for (const NodeId id : from.replicas) to.add_replicas(id.value());
  for (const NodeId id : from.in_sync) to.add_in_sync(id.value());
  for (const NodeId id : from.eligible) to.add_eligible(id.value());
  for (const NodeId id : from.adding) to.add_adding(id.value());
  for (const NodeId id : from.removing) to.add_removing(id.value());
  for (const NodeId id : from.damaged) to.add_damaged(id.value());
  to.set_partition_epoch(from.partition_epoch);
  to.set_leader(from.leader.value());
  to.set_leader_epoch(from.leader_epoch.value());
}

cluster::MetadataRecord partition_changed(const Uuid& topic, size_t partition,
                                          const PartitionImage& before, const PartitionImage& to) {
  cluster::MetadataRecord record;
  auto& changed = *record.mutable_partition_changed();
  changed.set_topic_id(std::string(as_text(topic.bytes())));
  changed.set_partition(static_cast<int32_t>(partition));
  changed.set_expected_epoch(before.partition_epoch);
  partition_to(to, *changed.mutable_to());
  return record;
}

Result<> check_partition(const PartitionImage& partition) {
  if (partition.replicas.empty()) return wrong("replicas are empty");
  if (!is_set_of(partition.replicas, partition.replicas)) return wrong("replicas repeat");
  if (partition.in_sync.empty()) return wrong("in-sync set is empty");
  for (const auto* set :
       {&partition.in_sync, &partition.eligible, &partition.adding, &partition.removing}) {
    if (!is_set_of(*set, partition.replicas)) return wrong("sets are not made of its replicas");
  }
  const bool led = partition.leader != NodeId{-1};
  if (led && std::ranges::find(partition.in_sync, partition.leader) == partition.in_sync.end()) {
    return wrong("leader is not in its in-sync set");
  }
  return {};
}

}  // namespace sluice::broker
