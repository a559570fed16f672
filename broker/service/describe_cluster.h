#pragma once

#include <cstdint>
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
  uint32_t partitions = 0;
  uint32_t under_replicated = 0;
  uint32_t under_min_in_sync = 0;
  uint32_t offline = 0;
  uint32_t moving = 0;
};

ClusterDescription describe_cluster(const MetadataImage& image, const TopicDefaults& defaults);

}  // namespace sluice::broker
