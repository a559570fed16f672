#pragma once

#include <cstdint>

namespace sluice::io::page_cache {

/// How many bytes of the open file from `position` on, up to `length` and the file's end, are in
/// memory without a gap. By cachestat(2), exact to the page; where the kernel has or allows none,
/// by reads that must not wait (preadv2 RWF_NOWAIT) of a byte each 64 KiB, which misses smaller
/// gaps. mincore(2) is no way: it tells only of pages that this process could write. -errno on
/// failure.
int64_t resident(int descriptor, uint64_t position, uint64_t length);

/// Reads a range into memory and returns when it is there (or dropped again already). Blocks; keeps
/// the next stretch on its way while it waits for this one. 0, or -errno.
int64_t read_ahead(int descriptor, uint64_t position, uint64_t length);

}  // namespace sluice::io::page_cache
