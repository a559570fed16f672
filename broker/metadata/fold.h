#pragma once

#include <cstdint>

#include "base/result.h"
#include "broker/metadata/image.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker {

/// The image after a command, or why the command changes nothing: topic_exists, invalid_topic_name
/// (collides), unknown_topic_id, invalid_partitions (others were added meanwhile), already_exists
/// (the command or the cluster), outcome_unknown (the producer id block is taken), wrong_cluster
/// (the node id is another directory's), not_found (no such broker), unknown_session (the broker
/// has another epoch by now), fenced_leader_epoch (the partition has), invalid_request (the broker
/// still has replicas), invalid_argument. A pure function: every broker folds the same log to the
/// same image.
Result<MetadataImage> fold(const MetadataImage& before, const cluster::MetadataCommand& command,
                           uint64_t version);

}  // namespace sluice::broker
