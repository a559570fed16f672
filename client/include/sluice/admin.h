#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/types.h"

namespace sluice::client {

struct BrokerInfo {
  NodeId id{0};
  std::string host;
  uint16_t port = 0;
  std::string rack;
};
struct ClusterInfo {
  std::string cluster_id;
  NodeId controller{-1};
  std::vector<BrokerInfo> brokers;
};
struct TopicSummary {
  std::string name;
  /// 22 characters, base64url.
  std::string id;
  bool internal = false;
  uint32_t partitions = 0;
  uint32_t replication_factor = 0;
};
struct PartitionInfo {
  PartitionId id{0};
  NodeId leader{-1};
  LeaderEpoch leader_epoch{-1};
  std::vector<NodeId> replicas, in_sync;
  Offset log_start{0}, high_watermark{0}, log_end{0}, synced_end{0};
  uint64_t bytes = 0;
  /// Why it refuses work; empty when it does not.
  std::string problem;
};
struct ConfigInfo {
  std::string key, value;
  /// "default", "broker" or "topic".
  std::string source;
  std::string documentation;
};
struct TopicInfo {
  std::string name, id;
  std::vector<PartitionInfo> partitions;
  std::vector<ConfigInfo> configs;
};
struct NewTopic {
  std::string name;
  /// 0: the broker's default.
  uint32_t partitions = 0;
  uint32_t replication_factor = 0;
  std::map<std::string, std::string> configs = {};
  bool validate_only = false;
};
struct CreatedTopic {
  std::string id;
  uint32_t partitions = 0, replication_factor = 0;
};

struct OffsetSpec {
  enum class Kind : uint8_t { earliest, latest, max_timestamp, at_timestamp } kind = Kind::latest;
  Timestamp timestamp = kNoTimestamp;
};
struct PartitionOffset {
  PartitionId partition{0};
  /// -1: no record at or after the timestamp.
  Offset offset{-1};
  Timestamp timestamp = kNoTimestamp;
};

/// Administration; every call is one or two requests and blocks until its answer or the request
/// time-out. Thread-safe.
class Admin {
 public:
  ~Admin();

  Result<ClusterInfo> cluster();
  Result<std::vector<TopicSummary>> list_topics();
  Result<TopicInfo> describe_topic(std::string_view name);
  Result<CreatedTopic> create_topic(const NewTopic& topic);
  Result<> delete_topic(std::string_view name);
  Result<> alter_topic(std::string_view name, const std::map<std::string, std::string>& set,
                       const std::vector<std::string>& remove = {}, bool validate_only = false);
  /// To `total` partitions.
  Result<> add_partitions(std::string_view name, uint32_t total, bool validate_only = false);
  Result<std::vector<PartitionOffset>> list_offsets(std::string_view topic, OffsetSpec spec);
  /// Deletes records below the offset (-1: below the high watermark); the new log start.
  Result<Offset> delete_records(const Partition& partition, Offset before);

 private:
  friend class Client;
  struct Core;
  explicit Admin(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace sluice::client
