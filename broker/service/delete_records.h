#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "broker/replication/partition.h"
#include "broker/security/principal.h"
#include "io/task.h"
#include "storage/log_set.h"

namespace sluice::broker {

class PartitionTable;

struct DeleteRecordsTarget {
  PartitionKey key;
  /// The new log start; -1 is the high watermark.
  Offset before{-1};
};

struct DeleteRecordsAnswer {
  std::optional<Error> error;
  Offset log_start{-1};
};

/// Moves log starts up, and waits until every follower in sync keeps nothing before them. Below the
/// log start is no error and changes nothing; above the high watermark is offset_out_of_range.
/// Followers that do not get there in time: timed_out.
class DeleteRecords {
 public:
  DeleteRecords(const PartitionTable& partitions, storage::LogSet& logs)
      : partitions_(partitions), logs_(logs) {}

  /// One answer for each target, in order; `targets` lives until it is done.
  io::Task<std::vector<DeleteRecordsAnswer>> remove(const Principal& principal,
                                                    std::span<const DeleteRecordsTarget> targets);

 private:
  io::Task<void> remove_of(const DeleteRecordsTarget& target, DeleteRecordsAnswer& answer);
  io::Task<Result<Offset>> remove_before(Partition& partition, Offset before);
  const PartitionTable& partitions_;
  storage::LogSet& logs_;
};

}  // namespace sluice::broker
