#pragma once

#include "broker/metadata/image.h"
#include "broker/replication/leader_link.h"
#include "broker/replication/partition.h"
#include "storage/repair.h"

namespace sluice::broker {

/// Committed records of a partition from its leader, wherever in the log: as a reader gets them, so
/// that the leader does not take it for how far the replica is.
class RangeFetch final : public storage::RangeSource {
 public:
  /// `link` outlives it, and is used by nobody else.
  RangeFetch(LeaderLink& link, PartitionKey key, Leadership leadership)
      : link_(link), key_(key), leadership_(leadership) {}

  io::Task<Result<MutableBytes>> fetch(Offset from, Offset to) override;

 private:
  native::FetchRequest request(Offset from) const;

  LeaderLink& link_;
  const PartitionKey key_;
  const Leadership leadership_;
  ReplicaFetchAnswer answer_;
};

}  // namespace sluice::broker
