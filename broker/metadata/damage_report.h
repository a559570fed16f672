#pragma once

#include "base/strong.h"
#include "base/uuid.h"

namespace sluice::broker {

/// What a broker says of its replica of a partition.
struct DamageReport {
  Uuid topic_id;
  PartitionId partition{0};
  /// It lost records, or cannot be served; false: it is whole again.
  bool damaged = false;
};

}  // namespace sluice::broker
