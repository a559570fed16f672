#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "io/disk.h"

namespace sluice::storage {

/// What slices of one segment share: the file, opened again when the descriptor cache closed it,
/// readable for as long as anyone holds this, also after the segment was deleted.
class SegmentFile {
 public:
  virtual ~SegmentFile() = default;
  /// The open file; may have to open it anew.
  virtual io::Task<Result<std::shared_ptr<io::File>>> open() = 0;
  /// Goes up with every truncation of the file.
  uint32_t generation() const { return generation_.load(std::memory_order_acquire); }

 protected:
  std::atomic<uint32_t> generation_{0};
};

/// A range of a segment to be sent. Carries the truncation generation it was cut at: whoever sends
/// it checks current() at every turn and gives up on a mismatch, because the bytes may be others.
struct FileSlice {
  std::shared_ptr<SegmentFile> segment;
  std::shared_ptr<io::File> file;
  uint64_t position = 0;
  uint64_t length = 0;
  uint32_t generation = 0;
  /// The range was appended so recently that it is taken to be in the page cache.
  bool fresh = false;

  bool current() const { return segment->generation() == generation; }
};

}  // namespace sluice::storage
