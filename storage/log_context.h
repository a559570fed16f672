#pragma once

#include <atomic>
#include <string>
#include <utility>

#include "base/guarded.h"
#include "io/sync.h"
#include "storage/log.h"
#include "storage/log_state.h"

namespace sluice::storage {

/// What the parts of one log share; owned by the log, outlives them.
struct LogContext {
  LogContext(LogPorts given, LogParams& params)
      : ports(std::move(given)),
        partition(params.partition),
        topic_id(params.topic_id),
        directory(params.directory),
        space{.disk = ports.disk,
              .files = ports.files,
              .maps = ports.maps,
              .folder = params.directory + "/" + params.partition.folder()} {}

  const LogPorts ports;
  const TopicPartition partition;
  const Uuid topic_id;
  const std::string directory;
  SegmentSpace space;
  Guarded<LogState> state;
  /// Work that nobody waits for: write-back, syncs after a roll, snapshots. Joined at close.
  io::Scope background;

  const std::string& folder() const { return space.folder; }
  /// Set for good by damaged().
  std::atomic<bool> is_damaged{false};
  /// Refuses writes from now on, for the first reason given.
  void damaged(std::string why);
  /// What a writer is told from then on.
  Error refusal_of_damage();
};

}  // namespace sluice::storage
