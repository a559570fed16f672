#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "broker/metadata/image.h"
#include "broker/security/principal.h"
#include "broker/service/topic_ref.h"

namespace sluice::broker {

class MetadataStore;
struct TopicDefaults;

/// What a cluster looks like; borrows from `image`, which it keeps alive.
struct MetadataAnswer {
  struct Topic {
    /// unknown_topic_or_partition or unknown_topic_id for a topic that was asked for by name or id.
    std::optional<Error> error;
    /// As asked for, when there is an error.
    TopicRef asked;
    std::shared_ptr<const TopicImage> topic;
    uint32_t max_message_bytes = 0;
  };
  std::shared_ptr<const MetadataImage> image;
  NodeId controller{-1};
  /// All brokers that are registered, by node id.
  std::span<const BrokerImage> brokers;
  std::vector<Topic> topics;

  /// Replicas of the partition that nobody serves now: their brokers are fenced or gone.
  std::vector<NodeId> offline(const PartitionImage& partition) const;
};

/// Tells clients who leads what.
class Metadata {
 public:
  Metadata(const MetadataStore& store, const TopicDefaults& defaults, NodeId self)
      : store_(store), defaults_(defaults), self_(self) {}

  /// The named topics in order, or all by name. Never waits.
  MetadataAnswer describe(const Principal& principal, std::span<const TopicRef> topics,
                          bool all) const;
  /// Whether the broker is registered in that epoch: fenced_leader_epoch when it has started again
  /// since, recovering when nothing of the epoch is known here, as yet.
  Result<> check_broker(NodeId node, uint64_t epoch) const;
  NodeId node_id() const { return self_; }
  const TopicDefaults& defaults() const { return defaults_; }

 private:
  MetadataAnswer::Topic describe_topic(MetadataImage::TopicPointer topic) const;
  const MetadataStore& store_;
  const TopicDefaults& defaults_;
  const NodeId self_;
};

}  // namespace sluice::broker
