#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "broker/metadata/image.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker {

/// The image after a command, or why the command changes nothing: topic_exists, invalid_topic_name
/// (collides), unknown_topic_id, invalid_partitions (others were added meanwhile), already_exists
/// (the command or the cluster), outcome_unknown (the producer id block is taken). A pure function:
/// every broker folds the same log to the same image.
Result<MetadataImage> fold(const MetadataImage& before, const cluster::MetadataCommand& command,
                           uint64_t version);

std::vector<std::byte> encode_snapshot(const MetadataImage& image);
/// corrupt_file when the bytes make no image.
Result<MetadataImage> decode_snapshot(ByteView bytes, uint64_t version);

}  // namespace sluice::broker
