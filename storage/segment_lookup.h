#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.h"
#include "base/strong.h"
#include "io/disk.h"
#include "storage/header_scan.h"
#include "storage/segment.h"

namespace sluice::storage {

/// How much of a segment may be looked at.
struct SegmentRange {
  std::shared_ptr<Segment> segment;
  uint64_t bytes = 0;
};

/// The first batch that ends at or behind the offset: the one that holds it, or the next where
/// compaction left a gap. Floors in the index, then reads headers. Nothing when all end before it.
/// corrupt_batch when what is there is not a batch.
io::Task<Result<std::optional<PlacedHeader>>> find_batch(SegmentRange in, Offset offset,
                                                         io::Lane lane);

/// The first batch from `from` on with a timestamp at or above the given one, by the time index.
io::Task<Result<std::optional<PlacedHeader>>> find_batch_by_time(SegmentRange in, Offset from,
                                                                 Timestamp at);

/// Where to end a read of at most `max_bytes` from `position` (a batch boundary) so that it holds
/// whole batches: the last boundary that the index knows, the range's end when that is in reach,
/// `position` itself when the index knows none.
io::Task<Result<OffsetIndex::Entry>> last_boundary(SegmentRange in, uint64_t position,
                                                   uint64_t max_bytes);

}  // namespace sluice::storage
