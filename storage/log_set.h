#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "base/uuid.h"
#include "io/lanes.h"
#include "io/runtime.h"
#include "storage/log.h"

namespace sluice::storage {

struct LogSetOptions {
  /// Data directories; a new partition goes to the one with the fewest.
  std::vector<std::string> directories;
  io::LaneOptions lanes;
  size_t max_open_files = 10000;
  size_t recovery_parallelism = 4;
  std::chrono::milliseconds checkpoint_interval = std::chrono::seconds(5);
  std::chrono::milliseconds retention_interval = std::chrono::minutes(5);
  std::chrono::milliseconds compaction_interval = std::chrono::seconds(15);
  size_t compaction_map_bytes = 128_MiB;
};

/// Who the data belongs to; compared with every directory's meta.properties, written into new ones.
struct LogSetIdentity {
  std::string cluster_id;
  NodeId node_id{1};
};

struct RecoveryProgress {
  size_t logs_total = 0, logs_done = 0;
  uint64_t bytes_total = 0, bytes_done = 0;
};

/// What a log set is built from and reports to; all outlive it.
struct LogSetPorts {
  io::Runtime& runtime;
  MemoryBudget& memory;
  MetricsRegistry& metrics;
  Logger log;
  /// A directory went offline: its partitions take no more requests. Called once a directory.
  std::function<void(const std::string& directory, const Error& cause)> on_directory_offline;
};

/// All logs of a node: opens and recovers them from the data directories, makes and deletes them,
/// runs flush, retention, compaction and checkpoints in the background.
class LogSet {
 public:
  virtual ~LogSet() = default;

  /// Locks the directories (`locked` when another process has one, `wrong_cluster` when the
  /// identity differs), finishes interrupted deletions and compactions, recovers every log. One
  /// unreadable directory of several is logged and left out; none left is an error.
  static io::Task<Result<std::unique_ptr<LogSet>>> open(
      LogSetPorts ports, LogSetOptions options, LogSetIdentity identity,
      std::function<LogOptions(const TopicPartition&, const Uuid&)> options_of,
      std::function<void(const RecoveryProgress&)> on_progress);

  /// The log, or null. Thread-safe; the pointer keeps it alive.
  virtual std::shared_ptr<Log> find(const TopicPartition& partition) const = 0;
  virtual std::vector<std::shared_ptr<Log>> all() const = 0;
  /// Makes the log's folder and first segment; already_exists when there.
  virtual io::Task<Result<std::shared_ptr<Log>>> create(TopicPartition partition, Uuid topic_id,
                                                        LogOptions options) = 0;
  /// Takes the log away at once; its files go in the background, slices held stay readable.
  virtual io::Task<Result<>> remove(TopicPartition partition) = 0;

  /// Starts the background work on the control loop.
  virtual void start() = 0;
  /// Stops background work, flushes all, writes checkpoints and clean-shutdown markers.
  virtual io::Task<Result<>> close() = 0;

  /// Directories in use and why the others are not.
  struct Directory {
    std::string path;
    std::optional<std::string> offline_because;
    uint64_t bytes = 0;
    size_t logs = 0;
  };
  virtual std::vector<Directory> directories() const = 0;
};

}  // namespace sluice::storage
