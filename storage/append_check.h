#pragma once

#include "base/result.h"
#include "storage/append_queue.h"

namespace sluice::storage {

/// What can be checked of an append without the log's state, on the caller's loop and outside of
/// any lock: structure, checksum, sizes, timestamps. Sets the append's header, and stamps
/// LogAppendTime where the topic asks for it. Errors as record::validate, and invalid_timestamp.
Result<> check_append(PendingAppend& append, const LogOptions& options);

}  // namespace sluice::storage
