#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "base/log.h"
#include "broker/replication/leader_link.h"
#include "broker/replication/partition.h"
#include "broker/replication/replica_fetcher.h"
#include "io/runtime.h"

namespace sluice::broker {

/// What fetchers work with; all outlive them.
struct ReplicaFetchersPorts {
  /// Fetchers run on the workers: checking and appending must not delay the control loop.
  io::Executor& executor;
  LeaderLinks& links;
  std::function<ReplicaIdentity()> self;
  Logger log;
  /// Of partitions that a move brings; null: none.
  MoveThrottle* throttle = nullptr;
};

/// The fetchers of a broker, one for each leader and lane, made when they are first needed. On the
/// control loop.
class ReplicaFetchers {
 public:
  explicit ReplicaFetchers(ReplicaFetchersPorts ports, ReplicaFetcherOptions options = {});
  ~ReplicaFetchers();
  ReplicaFetchers(const ReplicaFetchers&) = delete;
  ReplicaFetchers& operator=(const ReplicaFetchers&) = delete;

  /// Fetches a partition from its leader, and from nobody else any more; from nobody while there is
  /// no leader. What is fetched like that already goes on.
  void follow(std::shared_ptr<Partition> partition, Leadership leadership);
  void forget(const PartitionKey& key);
  /// Done when nothing is fetched any more. Once, before it dies.
  io::Task<void> stop();

 private:
  struct Running;
  struct Place {
    Leadership leadership;
    FetchLane lane = FetchLane::plain;
    /// To tell a partition that came again.
    const Partition* partition = nullptr;
    bool operator==(const Place&) const = default;
  };
  ReplicaFetcher& fetcher_of(NodeId leader, FetchLane lane);

  const ReplicaFetchersPorts ports_;
  const ReplicaFetcherOptions options_;
  std::map<std::pair<NodeId, FetchLane>, std::unique_ptr<Running>> running_;
  std::map<PartitionKey, Place> places_;
};

}  // namespace sluice::broker
