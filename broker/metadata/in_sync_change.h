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
};

}  // namespace sluice::broker
