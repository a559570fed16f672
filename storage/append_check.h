#pragma once

#include <cstddef>
#include <vector>

#include "base/memory_budget.h"
#include "base/result.h"
#include "storage/append_queue.h"

namespace sluice::storage {

/// What can be checked of an append without the log's state, on the caller's loop and outside of
/// any lock: structure, checksum, sizes, timestamps. Sets the append's header, and stamps
/// LogAppendTime where the topic asks for it. Compressed batches are inflated only where the topic
/// is compacted or has a compression of its own, charged to `memory`. Errors as record::validate;
/// invalid_timestamp, out_of_memory.
Result<> check_append(PendingAppend& append, const LogOptions& options, MemoryBudget& memory);

/// Whether check_append() has to inflate the batch or the topic wants it in another compression:
/// work of a millisecond for some batches.
bool is_costly(const AppendRequest& request, const LogOptions& options);

/// Puts a checked client's batch into the topic's compression, in `out`, and makes that the
/// append's batch. Nothing happens where it has that already. Errors: batch_too_large when it grows
/// beyond what the topic allows, out_of_memory.
Result<> recompress(PendingAppend& append, const LogOptions& options, MemoryBudget& memory,
                    std::vector<std::byte>& out);

}  // namespace sluice::storage
