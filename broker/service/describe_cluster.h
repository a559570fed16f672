#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/metadata/image.h"
#include "broker/metadata/topic_config.h"

namespace sluice::broker {

/// What is not well with a partition, as the metadata has it.
struct PartitionHealth {
  /// A replica is out of sync that is not on its way of a move.
  bool under_replicated = false;
  /// Cannot be written with acks=all.
  bool under_min_in_sync = false;
  /// Nobody leads it.
  bool offline = false;
  bool moving = false;
  /// The log of a replica is damaged.
  bool damaged = false;
};
PartitionHealth health_of(const PartitionImage& partition, int32_t min_in_sync);
/// Whether the broker has a replica of it that is out of sync; one on its way does not count.
bool is_behind(const PartitionImage& partition, NodeId broker);

/// One screen of the cluster, folded from the metadata.
struct ClusterDescription {
  struct Broker {
    BrokerImage image;
    uint32_t leaders = 0;
    uint32_t replicas = 0;
    /// Replicas of it that are out of sync; those of a move under way do not count.
    uint32_t behind = 0;
  };
  /// By node id.
  std::vector<Broker> brokers;
  /// Partitions that something is true of: how many, and the first few by name ("orders-3").
  struct Some {
    uint32_t count = 0;
    std::vector<std::string> names;
  };
  uint32_t partitions = 0;
  Some under_replicated;
  Some under_min_in_sync;
  Some offline;
  Some moving;
  Some damaged;
};

ClusterDescription describe_cluster(const MetadataImage& image, const TopicDefaults& defaults);

}  // namespace sluice::broker
