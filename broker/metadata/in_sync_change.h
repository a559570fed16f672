#pragma once

#include <cstdint>
#include <vector>

#include "base/strong.h"
#include "base/uuid.h"

namespace sluice::broker {

/// Another in-sync set that a partition's leader asks the controller for.
struct InSyncChange {
  Uuid topic_id;
  PartitionId partition{0};
  LeaderEpoch leader_epoch{0};
  /// What the leader decided on; refused when the partition has another by now.
  uint32_t partition_epoch = 0;
  std::vector<NodeId> in_sync;
  /// Of each of them, with which broker epoch the leader heard how far it is; 0 or missing: it did
  /// not hear. Who joins must still be that process: the one after it may have lost records.
  std::vector<uint64_t> broker_epochs = {};
};

}  // namespace sluice::broker
