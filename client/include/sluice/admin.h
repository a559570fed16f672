#pragma once

#include <chrono>
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
/// One screen of the cluster.
struct ClusterStatus {
  struct Broker : BrokerInfo {
    /// Index of its registration; it grows with each start.
    uint64_t epoch = 0;
    /// Not heard of, or not caught up: leads nothing.
    bool fenced = false;
    bool draining = false;
    bool voter = false;
    uint32_t leaders = 0, replicas = 0;
    /// Of its replicas: out of sync.
    uint32_t behind = 0;
    /// Since the controller heard of it; -1 where another broker answered.
    std::chrono::milliseconds silent{-1};
    /// What it says is not well with it.
    std::vector<std::string> problems;
  };
  struct Voter {
    NodeId id{-1};
    /// By the broker that answered.
    bool reached = false;
  };
  std::string cluster_id, cluster_name;
  NodeId controller{-1};
  uint64_t term = 0, metadata_version = 0;
  std::vector<Broker> brokers;
  uint32_t partitions = 0, under_replicated = 0, under_min_in_sync = 0, offline = 0, moving = 0,
           damaged = 0;
  /// The first few of each: "orders-3".
  std::vector<std::string> under_replicated_names, under_min_in_sync_names, offline_names,
      moving_names, damaged_names;
  /// Who was asked: the controller where there is one that answers.
  NodeId answered_by{-1};
  /// Why who answered acknowledges nothing; empty while it does.
  std::string fenced_because;
  std::vector<Voter> voters;
};
/// A broker as it presents itself before it is in a cluster.
struct BrokerIdentity {
  NodeId id{-1};
  std::string host;
  uint16_t port = 0;
  std::string cluster_name;
  /// 22 characters; of its metadata directory.
  std::string directory_id;
  /// Empty: it has none.
  std::string cluster_id;
};
struct TopicSummary {
  std::string name;
  /// 22 characters, base64url.
  std::string id;
  bool internal = false;
  uint32_t partitions = 0;
  uint32_t replication_factor = 0;
};
struct FollowerInfo {
  NodeId id{-1};
  /// -1: its leader has not heard of it.
  Offset log_end{-1};
  /// Since it had all that the leader has; 0 while it has.
  Milliseconds behind{0};
};
struct PartitionInfo {
  PartitionId id{0};
  NodeId leader{-1};
  LeaderEpoch leader_epoch{-1};
  std::vector<NodeId> replicas, in_sync;
  /// Of the replicas: on brokers that are away.
  std::vector<NodeId> offline;
  Offset log_start{0}, high_watermark{0}, log_end{0}, synced_end{0};
  uint64_t bytes = 0;
  /// Why it refuses work; empty when it does not.
  std::string problem;
  /// As the leader sees them; empty when it was not reached, or is alone.
  std::vector<FollowerInfo> followers;
  /// Out of sync with all that is committed; on their way in and out; with a damaged log.
  std::vector<NodeId> eligible, adding, removing, damaged;
};
/// A partition whose replicas are moved.
struct MoveInfo {
  std::string topic;
  PartitionId partition{0};
  NodeId leader{-1};
  std::vector<NodeId> replicas, adding, removing;
  /// Of each replica that comes: what it has not copied yet; empty when the leader did not answer.
  struct Left {
    NodeId id{-1};
    uint64_t records = 0;
    /// About.
    uint64_t bytes = 0;
  };
  std::vector<Left> left;
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

  Result<ClusterStatus> cluster_status();
  /// Gives a partition other replicas, the preferred leader first.
  Result<> move_partition(const Partition& partition, const std::vector<NodeId>& replicas);
  /// Back to what it was before the move under way.
  Result<> cancel_move(const Partition& partition);
  /// All moves under way, by topic and partition; asks each broker once.
  Result<std::vector<MoveInfo>> list_moves();
  /// Moves all replicas away from a broker; how many are left there.
  Result<uint32_t> drain_broker(NodeId broker, bool undo = false);
  /// Who answers at the first of the client's brokers.
  Result<BrokerIdentity> identify();
  /// Takes a broker into the cluster, as it presents itself.
  Result<> join_cluster(const BrokerIdentity& broker);
  /// A broker without replicas is forgotten for good.
  Result<> leave_cluster(NodeId broker);

 private:
  friend class Client;
  struct Core;
  explicit Admin(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace sluice::client
