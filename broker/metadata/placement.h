#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "broker/metadata/image.h"

namespace sluice::broker {

/// Brokers that can be given replicas: they serve and are not being emptied.
size_t count_for_replicas(const MetadataImage& image);

/// New partitions with `replication` replicas each, all in sync, led by the first. Leaders go round
/// all brokers; the replicas of one partition lie in as many racks as there are. `seed` shifts
/// where it begins, so that many small topics do not all begin at the same broker.
/// invalid_replication says how many brokers there are.
Result<std::vector<PartitionImage>> place(const MetadataImage& image, uint32_t partitions,
                                          uint32_t replication, uint64_t seed);

/// Where a replica of a broker that is being emptied goes: to a rack that no other replica is in,
/// if there is one, and there to the broker with the least in `load` (by the order of
/// image.brokers). -1 when no broker can take it.
NodeId place_instead(const MetadataImage& image, const std::vector<NodeId>& replicas,
                     NodeId leaving, std::span<const uint64_t> load);

}  // namespace sluice::broker
