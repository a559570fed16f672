#include "broker/metadata/moves.h"

#include <algorithm>
#include <string>
#include <utility>

#include "broker/metadata/elections.h"
#include "broker/metadata/partition_codec.h"
#include "broker/metadata/placement.h"

namespace sluice::broker {
namespace {

std::vector<NodeId> without(const std::vector<NodeId>& from, const std::vector<NodeId>& gone) {
  std::vector<NodeId> left;
  for (const NodeId id : from) {
    if (!has(gone, id)) left.push_back(id);
  }
  return left;
}

bool is_moving(const PartitionImage& partition) {
  return !partition.adding.empty() || !partition.removing.empty();
}

Result<> check_target(const PartitionImage& before, const std::vector<NodeId>& replicas,
                      const BrokerStates& states) {
  if (replicas.empty()) {
    return fail(Errc::invalid_replication, "a partition has at least one replica; name brokers");
  }
  for (const NodeId id : replicas) {
    const std::string name = "broker " + std::to_string(id.value());
    if (std::ranges::count(replicas, id) != 1) {
      return fail(Errc::invalid_replication, name + " is named twice; name it once");
    }
    if (has(before.replicas, id) || states.takes_replicas(id)) continue;
    return fail(Errc::invalid_replication,
                name + " is not there, fenced, stopping or draining; choose another one");
  }
  return {};
}

/// With what follows from it at once, as one change.
PartitionImage in_one_step(const PartitionImage& before, PartitionImage after,
                           const ElectionRules& rules, const BrokerStates& states) {
  after = settled(after, rules, states);
  settle_eligible(before, after, rules);
  count_epochs(before, after);
  return after;
}

PartitionImage on_the_way(const PartitionImage& before, const std::vector<NodeId>& replicas) {
  PartitionImage after = before;
  after.adding = without(replicas, before.replicas);
  after.removing = without(before.replicas, replicas);
  after.replicas = replicas;
  after.replicas.insert(after.replicas.end(), after.removing.begin(), after.removing.end());
  return after;
}

/// Replicas by the place of the broker in the image.
std::vector<uint64_t> loads(const MetadataImage& image) {
  std::vector<uint64_t> load(image.brokers.size());
  image.topics.for_each([&](const Uuid&, const MetadataImage::TopicPointer& topic) {
    for (const PartitionImage& partition : topic->partitions) {
      for (const NodeId id : partition.replicas) {
        const auto at = std::ranges::lower_bound(image.brokers, id, {}, &BrokerImage::id);
        if (at != image.brokers.end() && at->id == id) {
          ++load[static_cast<size_t>(at - image.brokers.begin())];
        }
      }
    }
  });
  return load;
}

/// Those that get on: who is away copies nothing, and must not keep others from moving.
size_t count_moves(const MetadataImage& image, const BrokerStates& states) {
  const auto gets_on = [&](const PartitionImage& partition) {
    return is_moving(partition) &&
           std::ranges::all_of(partition.adding, [&](NodeId id) { return states.serves(id); });
  };
  size_t count = 0;
  image.topics.for_each([&](const Uuid&, const MetadataImage::TopicPointer& topic) {
    count += static_cast<size_t>(std::ranges::count_if(topic->partitions, gets_on));
  });
  return count;
}

bool drains(const MetadataImage& image, NodeId id) {
  const BrokerImage* broker = image.broker(id);
  return broker != nullptr && broker->draining;
}

NodeId draining_replica(const MetadataImage& image, const PartitionImage& partition) {
  for (const NodeId id : partition.replicas) {
    if (drains(image, id)) return id;
  }
  return kNoLeader;
}

/// Who comes instead of a draining replica; counts it into the load.
NodeId replacement(const MetadataImage& image, const std::vector<NodeId>& replicas, NodeId leaving,
                   std::vector<uint64_t>& load) {
  const NodeId instead = place_instead(image, replicas, leaving, load);
  const auto at = std::ranges::find(image.brokers, instead, &BrokerImage::id);
  if (at != image.brokers.end()) ++load[static_cast<size_t>(at - image.brokers.begin())];
  return instead;
}

std::optional<PartitionImage> away_from_draining(const MetadataImage& image,
                                                 const PartitionImage& partition,
                                                 const ElectionRules& rules,
                                                 const BrokerStates& states,
                                                 std::vector<uint64_t>& load) {
  const NodeId leaving = draining_replica(image, partition);
  if (leaving == kNoLeader) return std::nullopt;
  const NodeId instead = replacement(image, partition.replicas, leaving, load);
  if (instead == kNoLeader) return std::nullopt;
  std::vector<NodeId> replicas = partition.replicas;
  std::ranges::replace(replicas, leaving, instead);
  auto after = moved(partition, replicas, rules, states);
  if (!after || *after == partition) return std::nullopt;
  return std::move(*after);
}

/// A move to a broker that is to be emptied itself, perhaps because it is gone for good, ends; the
/// next look finds another place.
std::optional<PartitionImage> without_draining_target(const MetadataImage& image,
                                                      const PartitionImage& partition,
                                                      const ElectionRules& rules,
                                                      const BrokerStates& states) {
  if (std::ranges::none_of(partition.adding, [&](NodeId id) { return drains(image, id); })) {
    return std::nullopt;
  }
  auto after = move_cancelled(partition, rules, states);
  if (!after) return std::nullopt;
  return std::move(*after);
}

}  // namespace

Result<PartitionImage> moved(const PartitionImage& before, const std::vector<NodeId>& replicas,
                             const ElectionRules& rules, const BrokerStates& states) {
  RETURN_IF_ERROR(check_target(before, replicas, states));
  if (is_moving(before)) {
    if (without(before.replicas, before.removing) == replicas) return before;
    return fail(Errc::invalid_request,
                "a move is under way; wait for its end or cancel it, then repeat");
  }
  PartitionImage after = on_the_way(before, replicas);
  if (after == before) return before;
  return in_one_step(before, std::move(after), rules, states);
}

PartitionImage move_begun(const PartitionImage& before, const std::vector<NodeId>& replicas) {
  PartitionImage after = on_the_way(before, replicas);
  count_epochs(before, after);
  return after;
}

Result<PartitionImage> move_cancelled(const PartitionImage& before, const ElectionRules& rules,
                                      const BrokerStates& states) {
  if (!is_moving(before)) {
    return fail(Errc::invalid_request, "no move is under way; there is nothing to cancel");
  }
  PartitionImage after = before;
  const std::vector<NodeId> gone = std::exchange(after.adding, {});
  after.removing.clear();
  after.replicas = without(before.replicas, gone);
  after.in_sync = without(before.in_sync, gone);
  after.eligible = without(before.eligible, gone);
  after.damaged = without(before.damaged, gone);
  if (after.in_sync.empty() || after.replicas.empty()) {
    return fail(Errc::invalid_request,
                "none of the replicas of before the move is in sync; wait for one of them");
  }
  if (!may_go(before, gone, rules)) {
    return fail(Errc::invalid_request,
                "without those that come, fewer replicas than min.insync.replicas would have what "
                "is committed; wait for the others to be in sync");
  }
  return in_one_step(before, std::move(after), rules, states);
}

std::vector<cluster::MetadataRecord> drain_brokers(const MetadataImage& image,
                                                   const BrokerStates& states,
                                                   const TopicOptions& defaults, size_t at_once) {
  std::vector<cluster::MetadataRecord> records;
  if (std::ranges::none_of(image.brokers, &BrokerImage::draining)) return records;
  const size_t under_way = count_moves(image, states);
  std::vector<uint64_t> load = loads(image);
  image.topics.for_each([&](const Uuid& id, const MetadataImage::TopicPointer& topic) {
    const ElectionRules rules = election_rules(defaults, topic->configs);
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionImage& partition = topic->partitions[i];
      if (under_way + records.size() >= at_once) return;
      const auto after = is_moving(partition)
                             ? without_draining_target(image, partition, rules, states)
                             : away_from_draining(image, partition, rules, states, load);
      if (after) records.push_back(partition_changed(id, i, partition, *after));
    }
  });
  return records;
}

std::vector<cluster::MetadataRecord> cancel_moves_from(const MetadataImage& image, NodeId node,
                                                       const BrokerStates& states,
                                                       const TopicOptions& defaults) {
  std::vector<cluster::MetadataRecord> records;
  image.topics.for_each([&](const Uuid& id, const MetadataImage::TopicPointer& topic) {
    const ElectionRules rules = election_rules(defaults, topic->configs);
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionImage& partition = topic->partitions[i];
      if (!has(partition.removing, node)) continue;
      const auto after = move_cancelled(partition, rules, states);
      if (after) records.push_back(partition_changed(id, i, partition, *after));
    }
  });
  return records;
}

size_t count_replicas(const MetadataImage& image, NodeId id) {
  size_t count = 0;
  image.topics.for_each([&](const Uuid&, const MetadataImage::TopicPointer& topic) {
    for (const PartitionImage& partition : topic->partitions) count += has(partition.replicas, id);
  });
  return count;
}

}  // namespace sluice::broker
