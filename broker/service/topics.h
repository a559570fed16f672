#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "base/uuid.h"
#include "broker/metadata/topic_config.h"
#include "broker/replication/partition.h"
#include "broker/security/principal.h"
#include "broker/service/topic_ref.h"
#include "io/sync.h"
#include "io/task.h"

namespace sluice::broker {

struct TopicsPorts;

struct ConfigValue {
  std::string key;
  std::string value;
};

struct CreateTopic {
  std::string name;
  /// 0: the broker's default.
  uint32_t partitions = 0;
  uint32_t replication_factor = 0;
  std::vector<ConfigValue> configs;
  /// Checks everything, changes nothing.
  bool validate_only = false;
};
struct CreatedTopic {
  Uuid id;
  uint32_t partitions = 0;
  uint32_t replication_factor = 0;
};

struct AlterTopic {
  TopicRef topic;
  std::vector<ConfigValue> set;
  /// Keys that go back to the default.
  std::vector<std::string> remove;
  bool validate_only = false;
};

struct AddPartitions {
  TopicRef topic;
  /// The new total.
  uint32_t partitions = 0;
  bool validate_only = false;
};

struct TopicDescription {
  using Source = TopicConfigRow::Source;
  using Config = TopicConfigRow;
  struct Partition {
    PartitionId id{0};
    Leadership leadership;
    std::vector<NodeId> replicas;
    std::vector<NodeId> in_sync;
    std::vector<NodeId> eligible;
    std::vector<NodeId> adding;
    std::vector<NodeId> removing;
    std::vector<NodeId> damaged;
    PartitionStatus status;
    /// As its leader sees them; empty on another broker.
    std::vector<ReplicaSet::Progress> followers;
  };
  std::string name;
  Uuid id;
  std::vector<Config> configs;
  std::vector<Partition> partitions;
};

/// A partition whose replicas are moved.
struct MoveDescription {
  std::string topic;
  TopicDescription::Partition partition;
};

/// Topics: made, changed, looked at and taken away. Requests come and go on the caller's loop; what
/// changes metadata is done when it is durable and this broker serves it. Details of errors name
/// the thing, the value and the way out. All arguments are values: they live in the coroutine.
class Topics {
 public:
  explicit Topics(TopicsPorts& ports) : ports_(ports) {}

  /// topic_exists, invalid_topic_name, invalid_partitions, invalid_replication, invalid_config,
  /// too_many, and those of the metadata log.
  io::Task<Result<CreatedTopic>> create(Principal principal, CreateTopic request);
  /// unknown_topic_or_partition, unknown_topic_id.
  io::Task<Result<>> remove(Principal principal, TopicRef topic);
  io::Task<Result<TopicDescription>> describe(Principal principal, TopicRef topic);
  /// All moves under way, by topic and partition. Never waits.
  std::vector<MoveDescription> moves(const Principal& principal) const;
  /// invalid_config: all or nothing.
  io::Task<Result<>> alter(Principal principal, AlterTopic request);
  /// invalid_partitions unless the total grows.
  io::Task<Result<>> add_partitions(Principal principal, AddPartitions request);

 private:
  io::Task<Result<>> undo_unless_served(CreatedTopic created, std::string name);
  TopicDescription::Partition describe_partition(const TopicImage& topic, size_t index) const;
  /// From the check that there is room for more partitions to their commit: two that pass the check
  /// at once would go over the limit together.
  io::AsyncMutex growing_;
  TopicsPorts& ports_;
};

}  // namespace sluice::broker
