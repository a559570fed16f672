#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "io/disk.h"

namespace sluice::storage {

/// The files of a segment that compaction writes: `<base>.log.cleaned` with its indexes. Nobody
/// reads them before they are swapped in.
class CleanedSegment {
 public:
  /// Makes the files, empty. `disk` outlives this.
  static io::Task<Result<CleanedSegment>> create(io::Disk& disk, std::string folder, Offset base,
                                                 size_t index_interval_bytes);

  /// Appends whole batches.
  io::Task<Result<>> append(ByteView batches);
  /// Writes what is left of the indexes and syncs all files.
  io::Task<Result<>> finish();
  uint64_t bytes() const { return log_.bytes; }
  /// Removes the files: they are not wanted.
  io::Task<void> discard();

 private:
  struct Part {
    std::unique_ptr<io::File> file;
    std::string path;
    uint64_t bytes = 0;
    std::vector<std::byte> pending;

    io::Task<Result<>> write(ByteView more);
    io::Task<Result<>> flush();
  };
  CleanedSegment(io::Disk& disk, Offset base, size_t interval)
      : disk_(&disk), base_(base), index_interval_bytes_(interval) {}
  void index(ByteView batches);
  void add_time_entry();

  io::Disk* disk_;
  Offset base_;
  size_t index_interval_bytes_;
  Part log_, offsets_, times_;
  size_t since_entry_ = 0;
  Timestamp max_timestamp_ = kNoTimestamp;
  Offset max_timestamp_offset_{-1};
  Timestamp indexed_timestamp_ = kNoTimestamp;
};

/// Puts a finished CleanedSegment of base `old.front()` in place of the segments `old`, step by
/// step as FORMAT.md says; in the log's writer role. The paths of the old files, renamed to
/// `.deleted`.
io::Task<Result<std::vector<std::string>>> swap_in(io::Disk& disk, std::string folder,
                                                   std::vector<Offset> old);

}  // namespace sluice::storage
