#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "base/log.h"
#include "io/runtime.h"
#include "io/sync.h"
#include "storage/compactor.h"
#include "storage/data_directory.h"
#include "storage/discarder.h"
#include "storage/file_cache.h"
#include "storage/log_table.h"
#include "storage/scrubber.h"

namespace sluice::storage {

/// The work of a log set that nobody waits for: checkpoints, interval flushes, retention,
/// scrubbing and removal of files, each a loop of its own on the control loop, which only waits for
/// the disks.
class Background {
 public:
  struct Ports {
    io::Runtime& runtime;
    Logger log;
    LogTable& table;
    std::span<const std::unique_ptr<DataDirectory>> directories;
    Discarder& discarder;
    Compactor& compactor;
    const FileCache& files;
    std::function<void(const Log& log)> on_start_moved;
    MetricsRegistry& metrics;
  };
  struct Intervals {
    std::chrono::milliseconds checkpoint;
    std::chrono::milliseconds retention;
    std::chrono::milliseconds compaction;
    std::chrono::milliseconds scrub;
    /// Of each directory; 0: never.
    uint64_t scrub_bytes_per_second = 0;
  };
  Background(Ports ports, Intervals intervals);

  void start();
  /// Reads a log again from an offset on, because it may be damaged; nothing to do while that is
  /// under way. From any loop.
  void check(std::shared_ptr<Log> log, Offset from);
  /// Done when nothing runs any more. Also when it was never started.
  io::Task<void> stop();

 private:
  template <class Job>
  io::Task<void> every(Duration interval, Job job);
  io::Task<void> write_checkpoints();
  io::Task<void> check_log(std::shared_ptr<Log> log, Offset from);
  io::Task<void> flush_loop();
  /// Starts the syncs of the logs whose flush interval has passed; when the next one is due.
  TimePoint flush_due();
  io::Task<void> flush(std::shared_ptr<Log> log);
  io::Task<void> retain();
  io::Task<void> compact();

  const Ports ports_;
  const Intervals intervals_;
  io::Scope running_;
  io::Signal stop_;
  std::atomic<bool> stopping_{false};
  Scrubber scrubber_;
  // All of these are the control loop's.
  absl::flat_hash_map<const Log*, TimePoint> flushed_;
  /// Their syncs are in flight: a device that hangs holds up its own logs only.
  absl::flat_hash_set<const Log*> flushing_;
  absl::flat_hash_set<const Log*> checking_;
};

}  // namespace sluice::storage
