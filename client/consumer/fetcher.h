#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "client/cluster.h"
#include "client/consumer/assignment.h"
#include "io/sync.h"

namespace sluice::client {

/// Keeps the buffers of an assignment filled, on the client's loop: finds leaders and offsets, and
/// runs one fetch session a leader, each on a connection of its own because a fetch waits there.
class Fetcher {
 public:
  Fetcher(Cluster& cluster, Assignment& assignment, const ConsumerOptions& options)
      : cluster_(cluster), assignment_(assignment), options_(options) {}
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  /// Until stop(); then all its connections are closed.
  io::Task<void> run();
  void stop();
  uint64_t fetches() const { return fetches_.load(std::memory_order_relaxed); }

 private:
  /// A partition that has no leader or no offset yet.
  struct Unplaced {
    Partition name;
    uint64_t version;
    SeekTarget target;
  };
  struct Located {
    Unplaced what;
    std::string topic_id;
    TopicMetadata::Leader leader;
  };
  /// A partition to be fetched, as the request names it.
  struct Wanted {
    Partition name;
    uint64_t version;
    std::string topic_id;
    Offset offset;
    LeaderEpoch leader_epoch;
    uint32_t max_bytes;
  };
  struct Plan {
    std::vector<Wanted> wanted;
    /// Some partition of the leader has enough buffered: do not wait long.
    bool partial = false;
    /// The leader has partitions of the assignment at all.
    bool any = false;
  };
  using Key = std::pair<std::string, int32_t>;
  struct Session {
    std::shared_ptr<Connection> connection;
    uint32_t epoch = 0;
    /// What the broker was last told of each partition: offset and limit.
    absl::flat_hash_map<Key, std::pair<int64_t, uint32_t>> told;
    uint32_t failures = 0;
  };

  std::vector<Unplaced> unplaced();
  /// True when everything has a leader and an offset.
  io::Task<bool> place(std::vector<Unplaced> todo);
  io::Task<Result<>> resolve(NodeId leader, std::vector<Located> located);
  void settle_place(const Located& located, Offset offset);
  void start_sessions();

  io::Task<void> fetch_from(NodeId leader);
  io::Task<Result<>> fetch_once(NodeId leader, Session& session, const Plan& plan);
  Plan plan(NodeId leader);
  native::RequestHeader request(Session& session, const Plan& plan) const;
  void receive(const Plan& plan, Answer answer);
  void refuse(const Wanted& wanted, const native::ErrorInfo& error);
  void lose_leader(NodeId leader);

  Cluster& cluster_;
  Assignment& assignment_;
  const ConsumerOptions& options_;
  bool stopped_ = false;
  uint32_t place_failures_ = 0;
  absl::flat_hash_map<int32_t, Session*> running_;
  std::atomic<uint64_t> fetches_{0};
  io::Scope scope_;
};

}  // namespace sluice::client
