#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "io/disk.h"
#include "storage/file_cache.h"
#include "storage/offset_index.h"
#include "storage/segment_file.h"
#include "storage/time_index.h"

namespace sluice::storage {

/// Where the segments of one log live.
struct SegmentSpace {
  io::Disk& disk;
  FileCache& files;
  FileCache& maps;
  std::string folder;
};

/// A segment as readers see it, sealed or still written: its file and indexes. How much of it may
/// be read is the log's to say.
class Segment {
 public:
  /// Entries that the index files hold already.
  struct IndexEntries {
    size_t offsets = 0;
    size_t times = 0;
  };
  Segment(SegmentSpace& space, Offset base, size_t max_index_bytes, IndexEntries entries);

  Offset base() const { return base_; }
  const std::shared_ptr<SegmentFile>& file() const { return file_; }
  OffsetIndex& offsets() { return offsets_; }
  const OffsetIndex& offsets() const { return offsets_; }
  TimeIndex& times() { return times_; }
  const TimeIndex& times() const { return times_; }

  /// It grows no more; until a truncation makes it the active one again.
  bool complete() const { return complete_.load(std::memory_order_acquire); }
  void set_complete(bool complete) { complete_.store(complete, std::memory_order_release); }

  /// Its log and index files are on the device since it was sealed.
  bool synced() const { return synced_.load(std::memory_order_acquire); }
  void set_synced(bool synced) { synced_.store(synced, std::memory_order_release); }

  /// Opens all files for good: their names are about to go.
  io::Task<Result<>> pin();

 private:
  const Offset base_;
  const std::shared_ptr<SegmentFile> file_;
  OffsetIndex offsets_;
  TimeIndex times_;
  std::atomic<bool> complete_{false};
  std::atomic<bool> synced_{false};
};

/// The segment whose files are there under the base offset; a missing index counts as empty.
io::Task<Result<std::shared_ptr<Segment>>> open_segment(SegmentSpace& space, Offset base,
                                                        size_t max_index_bytes);

/// A segment that is complete: it grows no more.
struct SealedSegment {
  std::shared_ptr<Segment> segment;
  uint64_t bytes = 0;
  /// Where the following segment begins.
  Offset next{0};
};

/// All segments of a log, ascending. An immutable value behind a shared pointer: a change makes a
/// new one, readers keep theirs.
struct SegmentList {
  std::vector<SealedSegment> sealed;
  std::shared_ptr<Segment> active;

  Offset first() const { return sealed.empty() ? active->base() : sealed.front().segment->base(); }
  /// Place among `sealed` of the one that covers the offset; sealed.size() for the active one.
  size_t find(Offset offset) const;
  uint64_t sealed_bytes() const;
};

}  // namespace sluice::storage
