#pragma once

#include "base/result.h"
#include "broker/metadata/image.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker {

PartitionImage partition_from(const cluster::PartitionAssignment& from);
void partition_to(const PartitionImage& from, cluster::PartitionAssignment& to);

/// "Make the partition this", where it still is as `before`.
cluster::MetadataRecord partition_changed(const Uuid& topic, size_t partition,
                                          const PartitionImage& before, const PartitionImage& to);

/// Whether a partition can be so: replicas that differ, a leader among them or none, an in-sync set
/// that is not empty and, like all other sets, part of them. invalid_argument says what is wrong.
Result<> check_partition(const PartitionImage& partition);

}  // namespace sluice::broker
