#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "broker/replication/fetch_session.h"
#include "broker/replication/partition.h"
#include "broker/security/principal.h"
#include "io/task.h"

namespace sluice::broker {

class PartitionTable;

struct OffsetQuery {
  enum class Kind : uint8_t { at_time, earliest, latest, max_timestamp };
  PartitionKey key;
  Kind kind = Kind::latest;
  /// For at_time: the first record at or after it.
  Timestamp at = kNoTimestamp;
  std::optional<LeaderEpoch> leader_epoch;
};

struct OffsetAnswer {
  std::optional<Error> error;
  /// -1 when no record is at or after the time.
  Offset offset{-1};
  Timestamp timestamp = kNoTimestamp;
  LeaderEpoch leader_epoch{-1};
};

/// Offsets by time and the ends of partitions. `latest` is the high watermark, or the last stable
/// offset for readers of committed records: never below what anybody acknowledged before the
/// question. offset_not_available while a new leader does not know it; not_leader without a
/// session with the controller, since another may lead and acknowledge by then.
class ListOffsets {
 public:
  /// Without a lease it always leads what it leads; both outlive it.
  explicit ListOffsets(const PartitionTable& partitions, const SessionLease* lease = nullptr)
      : partitions_(partitions), lease_(lease) {}

  /// One answer for each query, in order; `queries` lives until it is done.
  io::Task<std::vector<OffsetAnswer>> list(const Principal& principal,
                                           std::span<const OffsetQuery> queries,
                                           Isolation isolation);

 private:
  io::Task<Result<storage::TimestampOffset>> find(Partition& partition, OffsetQuery query,
                                                  Isolation isolation) const;
  Result<Offset> latest(const Partition& partition, Isolation isolation) const;

  const PartitionTable& partitions_;
  const SessionLease* const lease_;
};

}  // namespace sluice::broker
