#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/cluster.h"
#include "client/consumer/assignment.h"
#include "io/sync.h"

namespace sluice::client {

/// Keeps the buffers of an assignment filled, on the client's loop: finds leaders, replicas that
/// are nearer, and offsets, and runs one fetch session a broker, each on a connection of its own
/// because a fetch waits there.
class Fetcher {
 public:
  Fetcher(Cluster& cluster, Assignment& assignment, const ConsumerOptions& options)
      : cluster_(cluster), assignment_(assignment), options_(options) {}
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  /// Until stop(); then all its connections are closed.
  io::Task<void> run();
  void stop();
  uint64_t bytes_from_followers() const {
    return bytes_from_followers_.load(std::memory_order_relaxed);
  }
  uint64_t fetches() const { return fetches_.load(std::memory_order_relaxed); }

 private:
  /// A partition that has no leader or no offset yet.
  struct Unplaced {
    PartitionRef ref;
    SeekTarget target;
    /// What is known of the topic may be old: it was looked for in vain, or may have come nearer.
    bool fresh = false;
    /// It is fetched meanwhile.
    bool placed = false;
  };
  struct Located {
    PartitionRef ref;
    SeekTarget target;
    std::string topic_id;
    TopicMetadata::Leader leader;
    NodeId source;
  };
  /// A partition to be fetched, as the request names it.
  struct Wanted {
    PartitionRef ref;
    std::string topic_id;
    Offset offset;
    LeaderEpoch leader_epoch;
    /// Of the last record before the offset; -1 when it is not known.
    LeaderEpoch last_epoch;
    uint32_t max_bytes;
  };
  struct Plan {
    std::vector<Wanted> wanted;
    /// Some partition of the leader has enough buffered: do not wait long.
    bool partial = false;
    /// Partitions of the assignment are fetched from the broker at all.
    bool any = false;
    /// When one that failed may be tried again.
    std::optional<TimePoint> retry_at;
  };
  using Key = std::pair<std::string, int32_t>;
  /// What the broker was last told of a partition.
  struct Told {
    Offset offset;
    uint32_t max_bytes;
    LeaderEpoch leader_epoch;
    LeaderEpoch last_epoch;
    uint32_t session_epoch;
  };
  struct Session {
    std::shared_ptr<Connection> connection;
    uint32_t epoch = 0;
    std::map<Key, Told> told;
  };

  TimePoint now() const { return cluster_.loop().now(); }
  std::vector<Unplaced> unplaced(std::optional<TimePoint>& retry_at);
  io::Task<void> place(std::vector<Unplaced> todo);
  bool locate(Unplaced what, const TopicMetadata& topic,
              std::map<NodeId, std::vector<Located>>& by_leader);
  io::Task<void> resolve(NodeId leader, std::vector<Located> located);
  NodeId source_of(const AssignedPartition& partition, const std::vector<NodeId>& in_sync,
                   NodeId leader) const;
  void settle_place(const Located& located, Offset offset);
  void start_sessions();

  io::Task<void> fetch_from(NodeId source);
  io::Task<Result<>> fetch_once(NodeId source, Session& session, const Plan& plan);
  Plan plan(NodeId source);
  native::RequestHeader request(Session& session, const Plan& plan) const;
  void receive(const Plan& plan, Answer answer);
  void part(const PartitionRef& ref, const native::FetchResponse::Partition& said);
  void refuse(const PartitionRef& ref, const native::ErrorInfo& error);
  void lose_source(NodeId source);
  /// To the leader, after a source that is nearer refused or went away; true when it was one.
  bool fall_back(AssignedPartition& partition);
  /// Looks for it again later.
  void not_found(const PartitionRef& ref, bool placed);
  /// Leaves the partition alone for a while.
  void put_off(AssignedPartition& partition);

  Cluster& cluster_;
  Assignment& assignment_;
  const ConsumerOptions& options_;
  bool stopped_ = false;
  // Ordered, so that a simulated run does not depend on addresses.
  std::map<NodeId, Session*> running_;
  std::atomic<uint64_t> fetches_{0};
  std::atomic<uint64_t> bytes_from_followers_{0};
  io::Scope scope_;
};

}  // namespace sluice::client
