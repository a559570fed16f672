#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/strong.h"
#include "base/uuid.h"
#include "io/disk.h"

namespace sluice::storage {

inline constexpr const char* kMetaPropertiesFile = "meta.properties";
inline constexpr const char* kPartitionMetadataFile = "partition.metadata";
inline constexpr const char* kCleanShutdownFile = ".kafka_cleanshutdown";

/// Whose a data directory is: the content of its meta.properties.
struct MetaProperties {
  std::string cluster_id;
  NodeId node_id{-1};
  Uuid directory_id;
  bool operator==(const MetaProperties&) const = default;

  std::vector<std::byte> encode() const;
  /// Errors: corrupt_file, naming the key that is missing or makes no sense.
  static Result<MetaProperties> parse(ByteView content);
};

/// Nothing when the file is missing.
io::Task<Result<std::optional<MetaProperties>>> read_meta_properties(io::Disk& disk,
                                                                     std::string directory);

/// The topic id in a log's partition.metadata; nothing when the file is missing, as in a log that
/// Kafka made before there were ids, or one whose making was cut short.
io::Task<Result<std::optional<Uuid>>> read_topic_id(io::Disk& disk, std::string log_folder);
io::Task<Result<>> write_topic_id(io::Disk& disk, std::string log_folder, Uuid topic_id);

/// Whether the last stop synced everything. The answer is taken away: the marker is removed, and
/// that made durable, before this is done.
io::Task<Result<bool>> take_clean_shutdown(io::Disk& disk, std::string directory);
io::Task<Result<>> mark_clean_shutdown(io::Disk& disk, std::string directory);

}  // namespace sluice::storage
