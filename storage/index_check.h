#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/strong.h"
#include "io/disk.h"

namespace sluice::storage {

/// What an index has to fit: the segment's batches lie in [base, limit) and in its first `bytes`.
struct IndexedSegment {
  Offset base{0};
  Offset limit{0};
  uint64_t bytes = 0;
};

enum class IndexKind : uint8_t { offsets, times };

/// How much is looked at. What was closed cleanly is asked for its last entries only: a start must
/// not read the indexes of a thousand logs.
enum class IndexDepth : uint8_t { last_entries, all };

/// Why the file of `size` bytes cannot be an index of the segment; empty when it can. It is read
/// and not mapped: what the device cannot give is an answer here and would be SIGBUS there, at
/// every start again. Errors: what else the disk says.
io::Task<Result<std::optional<std::string>>> find_misfit(io::Disk& disk, std::string path,
                                                         uint64_t size, IndexKind kind,
                                                         IndexedSegment segment, IndexDepth depth);

}  // namespace sluice::storage
