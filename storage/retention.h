#pragma once

#include <span>

#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "storage/log.h"
#include "storage/options.h"

namespace sluice::storage {

/// What retention wants of a log.
struct RetentionChoice {
  /// Everything below goes; the log start when nothing does.
  Offset new_start{0};
  /// The active segment has to go too, and must be sealed first.
  bool roll_first = false;
  bool operator==(const RetentionChoice&) const = default;
};

/// Which segments have outlived `retention.ms` (by their largest timestamp; one without timestamps
/// is as old as the next one that has them) or exceed `retention.bytes`, from the oldest on without
/// a gap. Nothing at or above the high watermark goes. By size the active segment stays.
RetentionChoice choose_retention(std::span<const SegmentInfo> segments, Offset log_start,
                                 const LogOptions& options, Offset high_watermark, Timestamp now);

/// Does what retention wants. Where the log starts now, and what the log says when it fails.
io::Task<Result<Offset>> apply_retention(Log& log, Timestamp now);

}  // namespace sluice::storage
