#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "broker/replication/partition.h"
#include "broker/security/principal.h"
#include "io/task.h"

namespace sluice::broker {

class PartitionTable;

/// Whose having the records the producer waits for; the numbers are the wire's.
enum class Acks : int8_t { none = 0, leader = 1, all = -1 };

struct ProducePartition {
  Uuid topic_id;
  PartitionId partition{0};
  /// Checked against the broker's when set.
  std::optional<LeaderEpoch> leader_epoch;
  /// Exactly one record batch; offset, epoch and timestamp are stamped into it.
  MutableBytes batch;
};

/// The answer for one partition; the caller's, one for each ProducePartition, in the same order.
struct ProduceResult {
  std::optional<Error> error;
  Offset base_offset{-1};
  Offset log_start{-1};
  /// Set on a LogAppendTime topic.
  Timestamp log_append_time = kNoTimestamp;
  /// What was reached, not what was asked for.
  Receipt receipt;
  /// The broker had the batch already; base_offset is the first time's.
  bool duplicate = false;
  /// Who leads, with not_leader and the leader epoch errors.
  std::optional<Leadership> leadership;

  /// Between append() and wait(): what is waited for.
  std::shared_ptr<Partition> partition;
  Offset last_offset{-1};
  LeaderEpoch appended_in{-1};
};

/// A produce request; all it points to lives until append(), `results` until wait() is done.
struct ProduceCall {
  const Principal& principal;
  Acks acks = Acks::all;
  /// Of wait(), from its call on.
  Duration timeout = std::chrono::seconds(30);
  /// Wall time of arrival.
  Timestamp arrived{0};
  std::span<const ProducePartition> partitions;
  /// As many as partitions, fresh.
  std::span<ProduceResult> results;
};

/// Appends batches. In two steps, so that the requests that a connection has in flight append in
/// order and wait together: append() one after the other, then wait() for each, in any order or at
/// once. Neither allocates outside of the frame pool. Failures are per partition, in the results:
/// unknown_topic_id, not_leader, fenced_leader_epoch, unknown_leader_epoch, not_enough_replicas
/// (for all acks, before anything is appended), those of Log::append; timed_out when the acks did
/// not come in time (the records are appended nevertheless), not_leader when they no longer can.
/// Without its session with the controller the broker refuses with not_leader what is not appended
/// yet, and answers outcome_unknown for what is, whatever acks were asked for.
class Produce {
 public:
  /// Without a lease it may always acknowledge; both outlive it.
  explicit Produce(const PartitionTable& partitions, const SessionLease* lease = nullptr)
      : partitions_(partitions), lease_(lease) {}

  /// Done when every batch is in the log or refused; the connection's next append may begin.
  io::Task<void> append(ProduceCall call);
  /// Until each appended batch has the acks asked for. Fills the receipts.
  io::Task<void> wait(ProduceCall call);

 private:
  bool place(const ProducePartition& target, ProduceResult& result) const;
  io::Task<void> append_single(const ProduceCall& call);
  io::Task<void> append_several(ProduceCall call);
  io::Task<void> wait_all(ProduceCall call);
  bool may_acknowledge() const;
  void give_receipt(ProduceResult& result) const;
  const PartitionTable& partitions_;
  const SessionLease* const lease_;
};

}  // namespace sluice::broker
