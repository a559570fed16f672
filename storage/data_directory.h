#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "io/lanes.h"
#include "io/runtime.h"
#include "storage/checkpoint.h"
#include "storage/checkpoint_writer.h"
#include "storage/log.h"
#include "storage/meta_properties.h"

namespace sluice::storage {

/// What a folder's name says it is.
struct LogFolder {
  enum class Kind : uint8_t { log, deleted, other } kind = Kind::other;
  TopicPartition partition;
};
LogFolder parse_log_folder(std::string_view name);
/// What a deleted log's folder is renamed to; cut to what a file name may be.
std::string deleted_folder_name(const TopicPartition& partition, const Uuid& unique);
/// As that, of a folder that is put aside.
std::string stray_folder_name(const TopicPartition& partition, const Uuid& unique);

/// A data directory whose lock we hold: its disk, its logs' folders and its checkpoints.
class DataDirectory {
 public:
  struct Ports {
    io::Runtime& runtime;
    MetricsRegistry& metrics;
    Logger log;
    /// As CheckpointWriter's, for the logs in this directory.
    std::function<std::vector<CheckpointRow>(const DataDirectory&)> rows;
    /// Once, on any loop, when the directory goes offline.
    std::function<void(const DataDirectory&, const Error& cause)> on_offline;
  };
  struct Options {
    /// As io::LaneOptions'.
    std::array<size_t, io::kLanes> in_flight;
    Duration timeout;
    /// See LogSetOptions::boot_id.
    std::string boot_id;
  };
  struct Identity {
    std::string cluster_id;
    NodeId node_id{-1};
  };
  /// A log's folder and what the checkpoints say about it.
  struct FoundLog {
    TopicPartition partition;
    std::optional<CheckpointEntry> synced_end;
    Offset log_start{0};
    Offset high_watermark{0};
    Offset cleaned_end{-1};
  };
  struct Found {
    std::vector<FoundLog> logs;
    /// Synced ends that are noted of logs whose folders are gone.
    std::vector<CheckpointEntry> lost;
    /// Names of folders of deleted logs, to be removed.
    std::vector<std::string> deleted;
    /// The last stop synced everything.
    bool clean = false;
    /// The machine may have stopped since; never set when `clean`.
    bool power_lost = false;
  };

  /// Makes the directory when it is missing, locks it, compares its meta.properties (written when
  /// missing), takes the clean-shutdown marker away, reads checkpoints and folder names. A
  /// checkpoint that cannot be read counts as empty; what was read is durable. Errors: `locked`,
  /// `wrong_cluster` with both identities, corrupt_file, what the disk says.
  static io::Task<Result<std::unique_ptr<DataDirectory>>> open(Ports ports, std::string path,
                                                               Options options, Identity identity);

  const std::string& path() const { return path_; }
  io::LaneDisk& disk() { return *disk_; }
  CheckpointWriter& checkpoints() { return *checkpoints_; }
  Found& found() { return found_; }
  /// Why it is offline.
  std::optional<std::string> offline_because() const;

  /// Writes down under which boot the directory is in use. Once all its logs are recovered: before
  /// that what a power cut left may still be there, and must not be taken for a killed process's.
  io::Task<Result<>> note_boot();
  /// Marks a stop after which everything is synced and written, then lets go of the lock.
  io::Task<Result<>> close_cleanly();

 private:
  DataDirectory(Ports ports, std::string path, Options options);
  io::Task<Result<>> check_identity(Identity identity);
  io::Task<Result<>> read_boot_id();
  io::Task<Result<>> find_logs();
  io::Task<Result<Checkpoint>> load(const char* name, CheckpointKind kind);

  const Ports ports_;
  const std::string path_;
  const std::string boot_id_;
  bool boot_noted_ = false;
  Guarded<std::optional<std::string>> offline_because_;
  const std::unique_ptr<io::LaneDisk> disk_;
  std::unique_ptr<io::FileLock> lock_;
  Found found_;
  const std::unique_ptr<CheckpointWriter> checkpoints_;
};

}  // namespace sluice::storage
