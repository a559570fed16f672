#pragma once

#include "io/disk.h"
#include "storage/log_context.h"

namespace sluice::storage {

/// Group commit: one sync of the log in flight at a time, which counts for all who wait for what
/// was appended before it began; who waits for more joins the next.
class LogSyncer {
 public:
  explicit LogSyncer(LogContext& log) : log_(log) {}

  /// See Log::sync_to.
  io::Task<Result<>> sync_to(Offset end, io::Lane lane);
  /// Brings every file of the log and their names on the device, also what no offset depends on.
  io::Task<Result<>> sync_all(io::Lane lane);
  /// Refuses syncs from now on (shutting_down) and waits for the one in flight: the folder is about
  /// to lose its name.
  io::Task<void> shut();

 private:
  io::Task<Result<>> lead(Offset end, io::Lane lane);
  io::Task<Result<>> sync_files(io::Lane lane, std::shared_ptr<const SegmentList> segments,
                                bool folder);
  io::Task<Result<>> sync_sealed(io::Lane lane, Segment& segment);
  io::Task<Result<>> sync_file(io::Lane lane, SegmentFile& part);
  Error beyond_repair(Error cause);
  void finish(const Result<>& outcome, Offset target);

  LogContext& log_;
};

}  // namespace sluice::storage
