#pragma once

#include <compare>
#include <utility>

#include "base/strong.h"
#include "base/uuid.h"

namespace sluice::broker {

/// A partition as requests name it.
struct PartitionKey {
  Uuid topic_id;
  PartitionId partition{0};

  auto operator<=>(const PartitionKey&) const = default;
  template <class H>
  friend H AbslHashValue(H hash, const PartitionKey& key) {
    return H::combine(std::move(hash), key.topic_id, key.partition);
  }
};

/// Who leads a partition, and in which leader epoch; -1 where nobody does.
struct Leadership {
  NodeId leader{-1};
  LeaderEpoch epoch{-1};
  bool operator==(const Leadership&) const = default;
};

}  // namespace sluice::broker
