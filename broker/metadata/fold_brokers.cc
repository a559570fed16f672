#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "broker/metadata/fold_draft.h"

namespace sluice::broker {
namespace {

constexpr NodeId kNobody{-1};

bool contains(const std::vector<NodeId>& nodes, NodeId id) {
  return std::ranges::find(nodes, id) != nodes.end();
}

/// A broker that may be changed; the ids of brokers stay as they are.
BrokerImage* find_broker(FoldDraft& draft, NodeId id) {
  auto& brokers = draft.image().brokers;
  const auto at = std::ranges::find(brokers, id, &BrokerImage::id);
  return at == brokers.end() ? nullptr : &*at;
}

std::unexpected<Error> no_broker(int32_t id) {
  return fail(Errc::not_found, "there is no broker " + std::to_string(id) +
                                   "; `sluice cluster status` lists those that there are");
}

Result<BrokerImage*> find_registration(FoldDraft& draft, int32_t id, uint64_t epoch) {
  BrokerImage* broker = find_broker(draft, NodeId{id});
  if (broker == nullptr) return no_broker(id);
  if (broker->epoch == epoch) return broker;
  return fail(Errc::unknown_session, "broker " + std::to_string(id) + " is registered with epoch " +
                                         std::to_string(broker->epoch) + " by now, not " +
                                         std::to_string(epoch));
}

Result<> check_directory(const BrokerImage* known, const Uuid& directory_id) {
  if (known == nullptr || known->directory_id.is_zero() || known->directory_id == directory_id) {
    return {};
  }
  const std::string id = std::to_string(known->id.value());
  return fail(Errc::wrong_cluster,
              "node.id " + id + " belongs to the metadata directory with the id " +
                  known->directory_id.text() + ", this broker's has the id " + directory_id.text() +
                  "; if its disk was replaced, run `sluice cluster leave " + id +
                  "` first, or choose a new node.id");
}

/// What a start of the broker does to a partition with a replica on it. True when it changed.
bool change_at_start(PartitionImage& partition, const BrokerImage& broker, bool unclean) {
  const NodeId id = broker.id;
  const bool led = partition.leader == id;
  bool changed = false;
  if (unclean && contains(partition.replicas, id)) {
    // Also where it was in no set: a leader that still counts on what the broker had before must
    // ask for the in-sync set again, by an epoch that it has to learn first.
    changed = true;
    std::erase(partition.eligible, id);
    if (partition.in_sync.size() > 1) {
      std::erase(partition.in_sync, id);
    } else if (contains(partition.in_sync, id) && !partition.eligible.empty()) {
      // They have all that was acknowledged, and it may not.
      partition.in_sync = std::exchange(partition.eligible, {});
    }  // Else the last one stays: it is all that is left of what was acknowledged.
  }
  if (led && (unclean || broker.fenced)) {
    if (broker.fenced || !contains(partition.in_sync, id)) partition.leader = kNobody;
    ++partition.leader_epoch;
    changed = true;
  }
  if (changed) ++partition.partition_epoch;
  return changed;
}

/// By topic id, the partitions of which a broker that starts has no whole replica.
Result<std::map<Uuid, std::set<int32_t>>> lacking_of(const cluster::BrokerRegistered& record) {
  std::map<Uuid, std::set<int32_t>> lacking;
  for (const auto& of : record.lacking()) {
    ASSIGN_OR_RETURN(const Uuid topic_id, id_from(of.topic_id()));
    lacking[topic_id].insert(of.partitions().begin(), of.partitions().end());
  }
  return lacking;
}

void change_partitions_at_start(FoldDraft& draft, const BrokerImage& broker, bool unclean,
                                const std::map<Uuid, std::set<int32_t>>& lacking) {
  if (!unclean && lacking.empty() && !broker.fenced) return;
  const auto before = draft.image().topics;
  before.for_each([&](const Uuid& id, const MetadataImage::TopicPointer&) {
    const auto topic = draft.topic(id);
    const auto lacks = lacking.find(id);
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      if (!contains(topic->partitions[i].replicas, broker.id)) continue;
      PartitionImage changed = topic->partitions[i];
      const bool lacks_it =
          lacks != lacking.end() && lacks->second.contains(static_cast<int32_t>(i));
      if (change_at_start(changed, broker, unclean || lacks_it)) {
        draft.edit(id).partitions[i] = std::move(changed);
      }
    }
  });
}

}  // namespace

Result<> fold_record(FoldDraft& draft, const cluster::BrokerRegistered& record) {
  const NodeId id{record.node_id()};
  auto& brokers = draft.image().brokers;
  BrokerImage broker{.id = id,
                     .host = record.host(),
                     .port = static_cast<uint16_t>(record.port()),
                     .rack = record.rack(),
                     .epoch = draft.version()};
  if (!record.incarnation().empty()) {
    ASSIGN_OR_RETURN(broker.incarnation, id_from(record.incarnation()));
  }
  if (!record.directory_id().empty()) {
    ASSIGN_OR_RETURN(broker.directory_id, id_from(record.directory_id()));
  }
  const BrokerImage* known = find_broker(draft, id);
  RETURN_IF_ERROR(check_directory(known, broker.directory_id));
  if (known != nullptr) broker.draining = known->draining;
  // Alone there is nobody to hear from it.
  broker.fenced = brokers.size() > (known == nullptr ? 0 : 1);
  std::erase_if(brokers, [&](const BrokerImage& other) { return other.id == id; });
  const auto at = std::ranges::upper_bound(brokers, id, {}, &BrokerImage::id);
  brokers.insert(at, broker);
  ASSIGN_OR_RETURN(const auto lacking, lacking_of(record));
  change_partitions_at_start(draft, broker, record.unclean(), lacking);
  return {};
}

Result<> fold_record(FoldDraft& draft, const cluster::BrokerFenced& record) {
  ASSIGN_OR_RETURN(BrokerImage* const broker,
                   find_registration(draft, record.node_id(), record.epoch()));
  broker->fenced = true;
  return {};
}

Result<> fold_record(FoldDraft& draft, const cluster::BrokerUnfenced& record) {
  ASSIGN_OR_RETURN(BrokerImage* const broker,
                   find_registration(draft, record.node_id(), record.epoch()));
  broker->fenced = false;
  return {};
}

Result<> fold_record(FoldDraft& draft, const cluster::BrokerDraining& record) {
  BrokerImage* broker = find_broker(draft, NodeId{record.node_id()});
  if (broker == nullptr) return no_broker(record.node_id());
  broker->draining = record.draining();
  return {};
}

Result<> fold_record(FoldDraft& draft, const cluster::BrokerRemoved& record) {
  const NodeId id{record.node_id()};
  if (find_broker(draft, id) == nullptr) return no_broker(record.node_id());
  size_t replicas = 0;
  draft.image().topics.for_each([&](const Uuid& topic, const MetadataImage::TopicPointer&) {
    for (const PartitionImage& partition : draft.topic(topic)->partitions) {
      replicas += contains(partition.replicas, id);
    }
  });
  if (replicas != 0) {
    return fail(Errc::invalid_request, "broker " + std::to_string(record.node_id()) +
                                           " still has " + std::to_string(replicas) +
                                           " replicas; run `sluice broker drain " +
                                           std::to_string(record.node_id()) + "` first");
  }
  std::erase_if(draft.image().brokers, [&](const BrokerImage& other) { return other.id == id; });
  return {};
}

}  // namespace sluice::broker
