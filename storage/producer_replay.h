#pragma once

#include "base/result.h"
#include "storage/log_context.h"
#include "storage/producer_state.h"
#include "storage/segment.h"

namespace sluice::storage {

/// Brings `producers` to what the log says at `end`: the newest snapshot at or below that reads
/// well, then the headers of the batches behind it. `active_bytes` of the active segment count.
/// Snapshots above `end` and corrupt ones are removed, durably.
io::Task<Result<>> replay_producers(LogContext& log, std::shared_ptr<const SegmentList> segments,
                                    uint64_t active_bytes, Offset end, ProducerState& producers);

}  // namespace sluice::storage
