#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/uuid.h"
#include "io/disk.h"
#include "storage/log.h"

namespace sluice::storage {

inline constexpr const char* kRecoveryPointFile = "recovery-point-offset-checkpoint";
inline constexpr const char* kLogStartFile = "log-start-offset-checkpoint";
inline constexpr const char* kHighWatermarkFile = "replication-offset-checkpoint";
inline constexpr const char* kCleanerOffsetFile = "cleaner-offset-checkpoint";
inline constexpr const char* kSyncedEndFile = "synced-end-checkpoint";

/// One line of a checkpoint: an offset of a log and, in the synced-end file, whose it is.
struct CheckpointEntry {
  TopicPartition partition;
  Offset offset{0};
  /// Zero in Kafka's files, which have no place for it.
  Uuid topic_id;
  bool operator==(const CheckpointEntry&) const = default;
};
using Checkpoint = std::vector<CheckpointEntry>;

/// Kafka's files name topic, partition and offset; ours the topic id too.
enum class CheckpointKind : uint8_t { offsets, offsets_with_id };

/// The file's text (FORMAT.md), in the order given.
std::vector<std::byte> encode_checkpoint(const Checkpoint& entries, CheckpointKind kind);
/// Error: corrupt_file with the line: another version, fewer or more entries than it says, negative
/// or malformed numbers.
Result<Checkpoint> parse_checkpoint(ByteView content, CheckpointKind kind);

/// Empty when the file is missing. Errors: corrupt_file (also when it is larger than any of ours),
/// what the disk says.
io::Task<Result<Checkpoint>> read_checkpoint(io::Disk& disk, std::string path, CheckpointKind kind);
/// Replaces the file in one durable step.
io::Task<Result<>> write_checkpoint(io::Disk& disk, std::string path, Checkpoint entries,
                                    CheckpointKind kind);

}  // namespace sluice::storage
