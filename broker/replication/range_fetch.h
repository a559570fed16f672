#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "broker/metadata/image.h"
#include "broker/replication/follower_fetch.h"
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

/// What the other replicas of a partition have, committed or not, of which nobody leads that has
/// everything. Whether it belongs there is for who asks to find out.
class CopyFetch final : public storage::RangeSource {
 public:
  struct Copy {
    NodeId broker{-1};
    std::unique_ptr<LeaderLink> link;
  };
  CopyFetch(std::vector<Copy> from, PartitionKey key, ReplicaIdentity self)
      : copies_(std::move(from)), key_(key), self_(self) {}

  io::Task<Result<MutableBytes>> fetch(Offset from, Offset to) override;
  size_t copies() const override { return copies_.size(); }
  void turn_to(size_t copy) override { current_ = copy; }

 private:
  const std::vector<Copy> copies_;
  const PartitionKey key_;
  const ReplicaIdentity self_;
  size_t current_ = 0;
  ReplicaFetchAnswer answer_;
};

}  // namespace sluice::broker
