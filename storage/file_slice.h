#pragma once

#include <cstdint>
#include <memory>

#include "io/disk.h"
#include "storage/segment_file.h"

namespace sluice::storage {

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
