#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/strong.h"
#include "base/time.h"
#include "storage/log.h"
#include "storage/options.h"

namespace sluice::storage {

/// What compaction is to do with a log, as places among its segments, oldest first.
struct CompactionPlan {
  /// Segments before it were compacted already.
  size_t first_dirty = 0;
  /// This one and those behind it are not touched.
  size_t end = 0;
  /// Keys are mapped from here on.
  Offset dirty_start{0};
  /// Bytes not yet compacted, of all that may be.
  double dirty_ratio = 0;
};

/// Empty when there is nothing to do: not enough is dirty (`min.cleanable.dirty.ratio`). What may
/// be compacted ends before the active segment, before `bound` (high watermark, last stable offset)
/// and before the first segment with a record younger than `min.compaction.lag.ms`. `cleaned_end`:
/// where the last compaction ended, negative before the first.
std::optional<CompactionPlan> plan_compaction(std::span<const SegmentInfo> segments,
                                              const LogOptions& options, Offset cleaned_end,
                                              Offset bound, Timestamp now);

/// Consecutive segments that become one.
struct CompactionGroup {
  size_t first = 0;
  size_t count = 0;
  bool operator==(const CompactionGroup&) const = default;
};

/// Cuts segments into groups that fit into one segment each: its bytes, its index, and offsets
/// within 2^31 of its base. `alone` marks segments that stay by themselves, as long as the span.
std::vector<CompactionGroup> group_segments(std::span<const SegmentInfo> segments,
                                            const std::vector<bool>& alone,
                                            const LogOptions& options);

}  // namespace sluice::storage
