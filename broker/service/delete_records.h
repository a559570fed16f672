#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "broker/replication/partition.h"
#include "broker/security/principal.h"
#include "io/task.h"

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

/// Moves log starts up. Below the log start is no error and changes nothing; above the high
/// watermark is offset_out_of_range.
class DeleteRecords {
 public:
  explicit DeleteRecords(const PartitionTable& partitions) : partitions_(partitions) {}

  /// One answer for each target, in order; `targets` lives until it is done.
  io::Task<std::vector<DeleteRecordsAnswer>> remove(const Principal& principal,
                                                    std::span<const DeleteRecordsTarget> targets);

 private:
  const PartitionTable& partitions_;
};

}  // namespace sluice::broker
