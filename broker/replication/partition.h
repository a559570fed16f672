#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/guarded.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "broker/metadata/image.h"
#include "broker/metadata/in_sync_change.h"
#include "broker/metadata/topic_config.h"
#include "broker/replication/commit_wait.h"
#include "broker/replication/follower_fetch.h"
#include "broker/replication/partition_key.h"
#include "broker/replication/replica_set.h"
#include "broker/replication/session_lease.h"
#include "io/sync.h"
#include "io/task.h"
#include "storage/log.h"

namespace sluice::broker {

/// What an acknowledgement stands for: the durability that was reached.
struct Receipt {
  /// written: in the leader's page cache, survives the process; synced: on the leader's device.
  enum class Level : uint8_t { none, written, synced };
  Level level = Level::none;
  /// Replicas in sync that have it, the leader counted; and those that have it on their device.
  uint16_t replicas = 0;
  uint16_t synced_replicas = 0;
};

/// read_committed is bounded by the last stable offset instead of the high watermark.
enum class Isolation : uint8_t { read_uncommitted, read_committed };

struct PartitionStatus {
  Offset log_start{-1};
  Offset high_watermark{-1};
  Offset last_stable{-1};
  Offset log_end{-1};
  Offset synced_end{-1};
  uint64_t bytes = 0;
  /// Why it refuses work, or does not follow its leader; empty when all is well.
  std::string problem;
};

/// Something that wants to know when there is more to read; embedded in its owner, which unwatches
/// before it dies.
class Watcher {
 public:
  /// About `bytes` more became readable. Inside the partition's lock: must not block, take a lock
  /// or call the partition; who is to be resumed is added to `wakes`.
  virtual void moved(uint64_t bytes, Wakes& wakes) = 0;

 protected:
  ~Watcher() = default;
};

/// Readers are told when the high watermark moves; followers also when the log end does.
enum class WatchKind : uint8_t { reader, follower };

/// What a partition needs to know of its broker.
struct PartitionPorts {
  NodeId self;
  /// A follower could join the in-sync set. From any loop; must not block.
  std::function<void(const PartitionKey&)> could_join = nullptr;
  /// The log may be damaged from there on. From any loop; must not block.
  std::function<void(const storage::TopicPartition&, Offset from)> suspect = nullptr;
  /// Moves a log's start there, if it is not, and makes that durable. From any loop.
  std::function<io::Task<Result<Offset>>(storage::TopicPartition, Offset)> keep_start = nullptr;
  /// Null: it may always acknowledge.
  const SessionLease* lease = nullptr;
};

/// One partition on this broker: its log, and its part as leader or follower. All calls may come
/// from any loop. Alone the high watermark is the log end, or the synced end where the topic
/// flushes on every acknowledgement; with several replicas it is the least of those in sync.
class Partition {
 public:
  Partition(PartitionKey key, std::shared_ptr<storage::Log> log, PartitionPorts ports);
  ~Partition();
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;

  const PartitionKey& key() const { return key_; }
  storage::Log& log() { return *log_; }
  const storage::Log& log() const { return *log_; }

  // Roles (partition_roles.cc). Changes of role and what a follower does to its log take turns.

  /// Begins to lead, or goes on to, as the image says: the epoch is recorded in the log, appends
  /// must carry it.
  io::Task<Result<>> lead(PartitionImage image, TimePoint now);
  /// Begins to follow, or goes on to. What waits for an acknowledgement ends with not_leader.
  io::Task<void> follow(Leadership leadership);
  Leadership leadership() const { return unpack(leadership_.load(std::memory_order_acquire)); }
  /// Whether it may be asked here: unknown_topic_id (removed), not_leader, fenced_leader_epoch,
  /// unknown_leader_epoch, or why it failed.
  Result<> check_leader(std::optional<LeaderEpoch> expected) const;
  /// As check_leader; offset_not_available while a new leader does not know yet what is committed.
  Result<> check_readable(std::optional<LeaderEpoch> expected) const;
  /// False: more may be committed than the high watermark says; what is below it is.
  bool knows_committed() const { return knows_committed_.load(std::memory_order_acquire); }

  /// Errors: those of check_leader and of Log::append; with `for_all`, not_enough_replicas before
  /// anything is appended. `batch` lives until it is done.
  io::Task<Result<storage::Appended>> append(MutableBytes batch,
                                             std::optional<LeaderEpoch> expected, Timestamp now,
                                             bool for_all = false);
  /// Until the high watermark reaches `end` of what was appended in the epoch. Errors: timed_out;
  /// unknown_topic_id when the partition is removed meanwhile, not_leader when another took over;
  /// what the flush failed with.
  io::Task<Result<>> committed(Offset end, LeaderEpoch appended_in, TimePoint deadline);
  /// What waits to be acknowledged ends with `why`; the records stay where they are.
  void give_up_waiting(const Error& why);
  /// Whether it need not be waited for.
  bool is_committed(Offset end, LeaderEpoch appended_in) const;
  /// What is true of the records before `end` now.
  Receipt receipt(Offset end) const;
  /// An acknowledgement by the leader alone must wait for the flush too.
  bool flushes_every() const { return flushes_every_.load(std::memory_order_relaxed); }
  bool replicated() const { return replicated_.load(std::memory_order_relaxed); }
  /// Until the leader itself has everything before `end` on its device. Errors: those of the flush.
  io::Task<Result<>> flushed(Offset end);

  Offset high_watermark() const { return Offset{high_watermark_.load(std::memory_order_acquire)}; }
  /// Bound of a read; at most the high watermark.
  Offset readable_end(Isolation isolation) const;
  /// Errors: those of Log::read, offset_out_of_range only outside of [log start, log end].
  io::Task<Result<storage::ReadResult>> read(Offset from, size_t max_bytes, bool at_least_one,
                                             Isolation isolation);
  /// What a client is told of a damaged log: to wait for another leader, if there can be one.
  Error refusal_of(Error why) const;
  PartitionStatus status() const;

  /// From now on until unwatch() returns the watcher is told of every move; false, and not watched,
  /// when the partition is removed.
  bool watch(Watcher& watcher, WatchKind kind = WatchKind::reader);
  void unwatch(Watcher& watcher);

  /// Whether a client's reader may go on from where it stands (partition_reader.cc); if what it has
  /// read is no longer in the log, where that parts from it. Errors: those of check_leader.
  /// A follower serves who asks for that, while it is in sync: not_leader otherwise, and
  /// offset_out_of_range where only the leader can tell.
  Result<std::optional<Divergence>> check_reader(const ReaderFetch& fetch) const;
  /// As follower, as the metadata has it: whether it is in sync, and whether it only comes to be a
  /// replica.
  void set_standing(const PartitionImage& image);
  /// A move copies it to this broker.
  bool is_coming() const { return is_coming_.load(std::memory_order_relaxed); }

  // As leader of followers (partition_leader.cc).

  /// Whether the leader's log goes on from where the follower stands; if not, where they part.
  /// Errors: those of check_leader; offset_out_of_range below the log start;
  /// unknown_topic_or_partition: no replica; unknown_leader_epoch: no way to tell.
  Result<std::optional<Divergence>> check_follower(const FollowerFetch& fetch) const;
  /// Takes note of how far the follower is, if check_follower() finds nothing.
  void follower_fetched(const FollowerFetch& fetch, TimePoint now);
  /// The follower said that it cannot append what it lacks.
  void follower_cannot_append(const FollowerFetch& fetch);
  /// How far each follower is; empty when this broker does not lead, or leads alone.
  std::vector<ReplicaSet::Progress> followers(TimePoint now) const;
  /// A follower got from there on, twice, what fails its checksum: the log is looked at.
  void suspect(Offset from) const;
  /// Followers are to hear of the log start, though nothing else happens.
  void log_start_moved();
  /// Until every follower in sync keeps nothing before `start`, whatever happens to it: who leads
  /// next does not give that out again. `since` as of a leadership before the start was moved.
  /// Errors: timed_out; outcome_unknown when another leads by now; as committed() otherwise.
  io::Task<Result<>> started(Offset start, LeaderEpoch since, TimePoint deadline);
  /// What a follower reads: up to the log end.
  io::Task<Result<storage::ReadResult>> read_all(Offset from, size_t max_bytes, bool at_least_one);
  /// The in-sync set to ask the controller for, if it should change; see ReplicaSet::propose.
  std::optional<InSyncChange> propose_in_sync(TimePoint now, const ReplicaSet::MayJoin& may_join);
  void in_sync_answered(const InSyncChange& change, const Result<uint32_t>& partition_epoch);

  // As follower (partition_follower.cc). fenced_leader_epoch when it follows in another epoch now.

  FollowerPosition follower_position() const;
  /// Appends what the leader sent and goes along with its high watermark and log start. Errors:
  /// those of Log::append.
  io::Task<Result<>> append_fetched(LeaderEpoch epoch, FetchedRecords fetched);
  /// Cuts the log to where it parts from the leader's, or to where that has to be asked again.
  io::Task<Result<FollowerCut>> cut_to(LeaderEpoch epoch, Divergence divergence);
  /// Nothing of the leader's log goes on from here: begins anew at its log start.
  io::Task<Result<FollowerCut>> restart_at(LeaderEpoch epoch, Offset start);
  /// Why it does not get on with following; empty: it does.
  void set_following_problem(std::string problem);

  /// Applies the topic's configs.
  void set_options(const TopicOptions& options);
  void set_lag_max(Duration lag_max);
  /// No more requests: what waits ends with `why`, watchers are told. Flushes in flight go on
  /// until close() is done. The first reason holds.
  void stop(Error why);
  bool stopped() const { return stopped_.load(std::memory_order_acquire); }
  /// After stop(): waits for flushes and changes in flight.
  io::Task<void> close();

 private:
  struct State {
    CommitWaiters waiters;
    /// For followers to begin where the log does.
    CommitWaiters start_waiters;
    std::vector<Watcher*> readers;
    std::vector<Watcher*> followers;
    bool leads = false;
    /// Of the leader's own log.
    ReplicaEnds own;
    /// Null: alone.
    std::unique_ptr<ReplicaSet> replicas;
    ReplicaRules rules;
    /// Appended and not yet below the high watermark.
    uint64_t uncommitted_bytes = 0;
    bool unflushed = false;
    bool flushing = false;
    /// As follower: what survives, what is to, and that somebody sees to it.
    Offset kept_start{0};
    Offset start_to_keep{0};
    bool keeps_start = false;
    std::string following_problem;
    /// Why nothing is served any more.
    std::optional<Error> stopped;
  };
  struct CommitAwait;

  static uint64_t pack(Leadership leadership);
  static Leadership unpack(uint64_t packed);
  bool leads() const { return leadership().leader == ports_.self; }
  /// The epoch is of the leadership that goes on without a break until now.
  bool still_leads(LeaderEpoch since) const;
  Offset epoch_start(LeaderEpoch epoch) const;
  Result<> take_over(const PartitionImage& image, TimePoint now);

  io::Task<Result<storage::Appended>> finish_append(io::Task<Result<storage::Appended>> append,
                                                    LeaderEpoch epoch, size_t bytes);
  void appended(const storage::Appended& appended, LeaderEpoch epoch, size_t bytes);
  io::Task<Result<>> wait_committed(Offset end, LeaderEpoch appended_in, TimePoint deadline);
  /// True when the waiter is linked; else it is reached, or has its error.
  bool link(CommitWaiter& waiter, LeaderEpoch appended_in, bool for_start);
  void expire(CommitWaiter& waiter);
  /// Inside the lock: moves the high watermark as far as it may go; the new one if it moved.
  std::optional<Offset> raise(State& state, Wakes& wakes);
  /// After the lock was left.
  void raised(std::optional<Offset> high_watermark, Wakes& wakes);
  static void wake_all(State& state, Wakes& wakes);
  static bool has_started(const State& state, Offset start);
  static void wake_started(State& state, Wakes& wakes);
  io::Task<void> flush();
  Error stopped_because() const;

  Result<> check_reader_of_follower(const ReaderFetch& fetch) const;
  /// Inside the lock: about how many bytes become readable when the high watermark moves to `to` in
  /// a log that ends at `end`; at least 1.
  uint64_t take_committed_bytes(State& state, Offset to, Offset end) const;
  Result<> check_follows(LeaderEpoch epoch) const;
  /// As follower: `committed` is known to be so, and to be in the log.
  void go_along(Offset committed);
  /// As follower: the log begins at `start`, and shall after a loss of power; done later.
  void keep_start(Offset start);
  io::Task<void> keep_starts();
  FollowerCut lower_to_end(Offset before);

  const PartitionKey key_;
  const std::shared_ptr<storage::Log> log_;
  const PartitionPorts ports_;
  std::atomic<int64_t> high_watermark_;
  /// Leader and epoch in one: -1 where nobody is known.
  std::atomic<uint64_t> leadership_;
  /// The first epoch of the leadership that goes on without a break.
  std::atomic<int32_t> leads_since_{-1};
  /// As follower: it is in sync, and has heard from the leader of this epoch that the logs agree.
  std::atomic<bool> in_sync_{false};
  std::atomic<bool> agrees_{false};
  std::atomic<bool> is_coming_{false};
  std::atomic<bool> stopped_{false};
  std::atomic<bool> flushes_every_;
  /// There are followers: looked at without the lock, so that who is alone does not pay.
  std::atomic<bool> replicated_{false};
  std::atomic<bool> too_few_in_sync_{false};
  std::atomic<bool> knows_committed_{true};
  Guarded<State> state_;
  io::AsyncMutex changing_;
  io::Scope flushes_;
};

}  // namespace sluice::broker
