#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/guarded.h"
#include "base/log.h"
#include "broker/replication/leader_link.h"
#include "broker/replication/move_throttle.h"
#include "broker/replication/partition.h"
#include "io/loop.h"
#include "io/sync.h"

namespace sluice::broker {

struct ReplicaFetcherOptions {
  /// How long the leader may wait for records. What comes to be followed meanwhile waits too, and
  /// with it the first commits of a new leader: not long.
  Duration max_wait = 100ms;
  uint32_t partition_bytes = 1_MiB;
  uint32_t response_bytes = 10_MiB;
  /// After a failure, of a partition or of the link; twice as long after each further one.
  Duration backoff = 20ms;
  Duration longest_backoff = 1s;
};

/// What a fetcher works with; all outlive it.
struct ReplicaFetcherPorts {
  io::Loop& loop;
  LeaderLink& link;
  std::function<ReplicaIdentity()> self;
  Logger log;
  /// Of partitions that a move brings; null: none.
  MoveThrottle* throttle = nullptr;
};

/// Copies the partitions that one other broker leads, over one fetch session: one coroutine on one
/// loop. A partition that fails is left alone for a while, the others go on.
class ReplicaFetcher {
 public:
  ReplicaFetcher(ReplicaFetcherPorts ports, NodeId leader, FetchLane lane,
                 ReplicaFetcherOptions options);
  ReplicaFetcher(const ReplicaFetcher&) = delete;
  ReplicaFetcher& operator=(const ReplicaFetcher&) = delete;

  void start();
  /// Done when nothing is fetched or appended any more. Once, after start(), before it dies.
  io::Task<void> stop();

  /// From any loop. What is fetched already is followed anew, in that epoch.
  void follow(std::shared_ptr<Partition> partition, LeaderEpoch epoch);
  void forget(const PartitionKey& key);

 private:
  struct Followed {
    std::shared_ptr<Partition> partition;
    LeaderEpoch epoch{-1};
    /// The log end when it was last named.
    Offset asked{-1};
    /// The log start when it was last named, and the leader's as that said last.
    Offset named_start{-1};
    Offset leader_start{-1};
    bool in_session = false;
    /// What came last did not match its checksum; it is asked for once more at once.
    bool came_corrupt = false;
    /// It failed again: the leader is told from where on, until something good comes.
    std::optional<Offset> corrupt_at;
    bool has_problem = false;
    uint32_t failures = 0;
    std::optional<TimePoint> retry_at;
  };
  /// Null: forgotten.
  struct Order {
    PartitionKey key;
    std::shared_ptr<Partition> partition;
    LeaderEpoch epoch{-1};
  };
  using Answered = native::FetchResponse::Partition;

  void give(Order order);
  io::Task<void> run();
  void take_orders();
  void wake_due(TimePoint now);
  io::Task<void> wait_for_work(uint64_t ticket);
  io::Task<void> pause(Duration duration);
  native::FetchRequest make_request();
  void name(const PartitionKey& key, Followed& followed, native::FetchRequest::Partition& to);
  Duration backoff_after(uint32_t failures) const;
  void lose_session(const Error& why);
  io::Task<Result<>> take(ReplicaFetchAnswer answer);
  /// Starts what each partition of the answer is for; the answer outlives it.
  Result<> take_all(const ReplicaFetchAnswer& answer, io::Semaphore& permits, io::Scope& taking);
  io::Task<void> take_in_turn(io::Semaphore& permits, PartitionKey key, const Answered& answered,
                              MutableBytes batches);
  io::Task<void> take_one(PartitionKey key, const Answered& answered, MutableBytes batches);
  io::Task<void> append(PartitionKey key, Followed& followed, const Answered& answered,
                        MutableBytes batches);
  io::Task<void> cut(PartitionKey key, Followed& followed, Divergence divergence);
  io::Task<void> refused(PartitionKey key, Followed& followed, const Answered& answered);
  io::Task<void> sync_to_name();
  void name_kept_starts();
  void name_all_now_and_then(TimePoint now);
  io::Task<void> sync_one(PartitionKey key);
  void went_well(Followed& followed);
  /// Leaves it alone until then.
  void rest(const PartitionKey& key, Followed& followed, TimePoint until);
  void back_off(const PartitionKey& key, Followed& followed, const Error& why);
  /// As that, when it is this broker's own log that fails.
  void back_off_here(const PartitionKey& key, Followed& followed, const Error& why);

  const ReplicaFetcherPorts ports_;
  const NodeId leader_;
  const FetchLane lane_;
  const ReplicaFetcherOptions options_;

  Guarded<std::vector<Order>> orders_;
  io::Signal changed_;
  io::Scope running_;
  std::atomic<bool> stopping_{false};

  // The loop's own. Ordered, so that a simulated run does not depend on addresses.
  std::map<PartitionKey, Followed> followed_;
  /// To be named in the next request: new, or moved.
  std::set<PartitionKey> to_name_;
  std::set<PartitionKey> to_forget_;
  /// They rest because nothing can be appended here, which their leader is to know.
  std::set<PartitionKey> to_tell_;
  /// Their logs are not yet known to begin, whatever happens, where the leader's do.
  std::set<PartitionKey> starting_;
  std::set<std::pair<TimePoint, PartitionKey>> resting_;
  TimePoint named_all_{};
  uint32_t session_epoch_ = 0;
  uint32_t link_failures_ = 0;
};

}  // namespace sluice::broker
