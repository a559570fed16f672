#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/strong.h"
#include "base/uuid.h"
#include "broker/metadata/shared_map.h"

namespace sluice::broker {

struct BrokerImage {
  NodeId id{-1};
  std::string host;
  uint16_t port = 0;
  std::string rack;
  /// Index of the entry that registered it; 0: by a version without clusters.
  uint64_t epoch = 0;
  Uuid incarnation;
  Uuid directory_id;
  /// Not heard of, or not caught up: leads nothing and is in no in-sync set.
  bool fenced = false;
  bool draining = false;
  bool operator==(const BrokerImage&) const = default;
};

struct PartitionImage {
  std::vector<NodeId> replicas;
  std::vector<NodeId> in_sync;
  NodeId leader{-1};
  LeaderEpoch leader_epoch{0};
  /// Grows by one with each change.
  uint32_t partition_epoch = 0;
  /// Out of sync with all that is committed: may lead without a loss (KIP-966).
  std::vector<NodeId> eligible;
  /// Of a move under way; both among `replicas`.
  std::vector<NodeId> adding;
  std::vector<NodeId> removing;
  /// Replicas that lost records, or cannot be served: beside others in no in-sync set, nowhere
  /// eligible, until they are whole again.
  std::vector<NodeId> damaged;
  bool operator==(const PartitionImage&) const = default;
};

/// Config keys and values as the topic sets them.
using ConfigMap = std::map<std::string, std::string, std::less<>>;

struct TopicImage {
  Uuid id;
  std::string name;
  ConfigMap configs;
  /// By partition id.
  std::vector<PartitionImage> partitions;
  bool operator==(const TopicImage&) const = default;
};

/// Which of the histories of a cluster's metadata this is: whenever most voters are lost for good
/// and a survivor is made to go on alone, there is another one, and those who come back with an
/// earlier one may have agreed on things that it does not know.
struct Lineage {
  uint64_t recoveries = 0;
  Uuid id;
  bool operator==(const Lineage&) const = default;
};

/// The cluster's metadata at one version: immutable once published, and cheap to derive the next
/// one from (unchanged topics are shared).
struct MetadataImage {
  using TopicPointer = std::shared_ptr<const TopicImage>;

  /// Index of the last log entry that is folded in.
  uint64_t version = 0;
  std::string cluster_id;
  Lineage lineage;
  /// By node id.
  std::vector<BrokerImage> brokers;
  SharedMap<Uuid, TopicPointer> topics;
  SharedMap<std::string, Uuid> topic_ids;
  /// Name with every '.' as '_' to the topic that has it: a.b and a_b would share metric names.
  SharedMap<std::string, Uuid> folded_names;
  uint64_t partitions = 0;
  int64_t next_producer_id = 0;
  /// Of the last topics deleted, oldest first.
  std::shared_ptr<const std::vector<Uuid>> deleted_topics;
  /// Of the last commands folded in, oldest first.
  std::shared_ptr<const std::vector<Uuid>> recent_commands;

  /// Null when there is none.
  TopicPointer topic(const Uuid& id) const;
  TopicPointer topic(std::string_view name) const;
  /// Sorted by name.
  std::vector<TopicPointer> topics_by_name() const;
  const BrokerImage* broker(NodeId id) const;
};

/// `name` with every '.' as '_'.
std::string folded_topic_name(std::string_view name);

}  // namespace sluice::broker
