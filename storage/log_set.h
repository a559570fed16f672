#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "base/uuid.h"
#include "io/lanes.h"
#include "io/runtime.h"
#include "storage/log.h"
#include "storage/repair.h"

namespace sluice::storage {

struct LogSetOptions {
  /// Data directories; a new partition goes to the one with the fewest.
  std::vector<std::string> directories;
  io::LaneOptions lanes;
  size_t max_open_files = 10000;
  /// Indexes that are mapped at once, by number and by what their files hold.
  size_t max_index_maps = 32'000;
  size_t max_mapped_index_bytes = 1_GiB;
  size_t recovery_parallelism = 4;
  std::chrono::milliseconds checkpoint_interval = std::chrono::seconds(5);
  std::chrono::milliseconds retention_interval = std::chrono::minutes(5);
  std::chrono::milliseconds compaction_interval = std::chrono::seconds(15);
  /// Most that one compaction's key table takes, charged to the memory budget.
  size_t compaction_map_bytes = 128_MiB;
  /// How often all batches of all logs are read again to find what the devices lost, and most that
  /// this reads of each directory; 0: never.
  std::chrono::milliseconds scrub_interval = std::chrono::hours(24 * 7);
  uint64_t scrub_bytes_per_second = 10_MiB;
  /// Names the machine's time up (Linux: /proc/sys/kernel/random/boot_id), so that a killed process
  /// is told from a power cut. Empty: not known, every unclean stop may have been a power cut.
  std::string boot_id;
  /// How a directory was stopped is told by every open until stop_is_known() is called, whatever
  /// ends the processes in between.
  bool stop_must_be_known = false;
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
  /// Retention moved the start of a log. On the control loop.
  std::function<void(const Log& log)> on_start_moved = nullptr;
  /// A log was found to be damaged, see Log::damage(). From any loop; must not block. Empty: nobody
  /// needs to know.
  std::function<void(const TopicPartition&)> on_damage = {};
  /// The id of the topic of that name, as far as is known before the logs are open. Any loop's;
  /// used during open only. Empty: nothing is known.
  std::function<std::optional<Uuid>(const TopicPartition&)> topic_id_of = {};
};

/// All logs of a node: opens and recovers them from the data directories, makes and deletes them,
/// runs flush, retention, compaction and checkpoints in the background. Thread-safe. Logs must not
/// outlive it.
class LogSet {
 public:
  /// Locks the directories (`locked` when another process has one, `wrong_cluster` when the
  /// identity differs), finishes interrupted deletions and compactions, recovers every log. One
  /// unreadable directory of several is logged and left out; none left is an error. A log that
  /// cannot be opened is logged and left out, see find_failed(). `options_of` and `on_progress` are
  /// called from any loop, `on_progress` by one at a time; both are used during open only.
  static io::Task<Result<std::unique_ptr<LogSet>>> open(
      LogSetPorts ports, LogSetOptions options, LogSetIdentity identity,
      std::function<LogOptions(const TopicPartition&, const Uuid&)> options_of,
      std::function<void(const RecoveryProgress&)> on_progress);
  ~LogSet();
  LogSet(const LogSet&) = delete;
  LogSet& operator=(const LogSet&) = delete;

  /// The log, or null. The pointer keeps it alive.
  std::shared_ptr<Log> find(const TopicPartition& partition) const;
  std::vector<std::shared_ptr<Log>> all() const;
  /// Why there is a folder for the partition but no log.
  std::optional<Error> find_failed(const TopicPartition& partition) const;

  /// Makes the log's folder and first segment in the directory with the fewest logs;
  /// already_exists when there, disk_offline when no directory is left.
  io::Task<Result<std::shared_ptr<Log>>> create(TopicPartition partition, Uuid topic_id,
                                                LogOptions options);
  /// Takes the log away at once; its files go in the background, slices held stay readable. Done
  /// when no crash can bring it back. not_found when there is none.
  io::Task<Result<>> remove(TopicPartition partition);
  /// Moves the log start up to `before` (negative: the high watermark) and makes that durable.
  /// Below the log start nothing happens. The log start after it; offset_out_of_range above the
  /// high watermark, not_found.
  io::Task<Result<Offset>> delete_records(TopicPartition partition, Offset before);

  /// Something that was read of the file at `path` was not what the log said: reads that log again
  /// in the background, and what is bad becomes damage. From any loop, until close().
  void check(const std::string& path);
  /// As that, from an offset on. Nothing happens where there is no such log.
  void check(const TopicPartition& partition, Offset from);
  /// Reads the whole log now; done when it is known whether it is damaged. Errors: the disk's,
  /// not_found, cancelled.
  io::Task<Result<>> check_all(TopicPartition partition, const std::atomic<bool>& stopping);

  /// The long half of a repair: finds what is bad in a damaged log, gets it from the source and
  /// writes whole copies of the segments. The log goes on as it is. Errors: not_found,
  /// invalid_request (not damaged), those of plan_repair.
  /// `proven`: nobody leads but this log, see RepairRules.
  io::Task<Result<RepairPlan>> plan_repair(TopicPartition partition, RangeSource& source,
                                           const std::atomic<bool>& stopping, bool proven = false);
  /// The short half: puts the copies in place and opens the log anew; nobody asks the old one any
  /// more. After an error it is left out, see find_failed().
  io::Task<Result<std::shared_ptr<Log>>> finish_repair(TopicPartition partition, RepairPlan plan);
  /// For a replica that others have and that is counted on by nobody: the folder of a log that
  /// could not be opened, or is not the topic's, is put aside (`...-stray`), and an empty log takes
  /// its place. not_found when there is no folder of that name.
  io::Task<Result<std::shared_ptr<Log>>> start_over(TopicPartition partition, Uuid topic_id,
                                                    LogOptions options);

  /// Starts the background work on the control loop.
  void start();
  /// Who has to know how the directories were stopped knows it: from here on only what happens now
  /// counts. Before close(), once. See LogSetOptions::stop_must_be_known.
  io::Task<void> stop_is_known();

  /// Memory is short: closes files and maps that are not in use, down to 70 % of what may be open.
  void give_up_idle_files();
  /// Stops background work, flushes all, writes checkpoints and clean-shutdown markers, lets go of
  /// the directories. The first error; a directory with one gets no marker. Once, when nobody
  /// creates or removes logs any more.
  io::Task<Result<>> close();

  /// Directories in use and why the others are not.
  struct Directory {
    std::string path;
    std::optional<std::string> offline_because;
    uint64_t bytes = 0;
    size_t logs = 0;
    /// How the broker before this one ended.
    bool stopped_cleanly = false;
    /// The machine may have stopped since; never when it stopped cleanly.
    bool power_lost = false;
  };
  std::vector<Directory> directories() const;

 private:
  explicit LogSet(std::unique_ptr<struct LogSetState> state);
  const std::unique_ptr<struct LogSetState> state_;
};

}  // namespace sluice::storage
