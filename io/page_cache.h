#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace sluice::io::page_cache {

/// How many bytes of the open file from `position` on, up to `length` and the file's end, are in
/// memory without a gap, and can be read without waiting. By cachestat(2), cheap but counting pages
/// whose read is under way, and what that finds by mincore(2), which wants a map for the moment.
/// mincore tells nothing of files that are not this process's: of those reads that must not wait
/// (preadv2 RWF_NOWAIT) look at a byte each 64 KiB, which misses smaller gaps. -errno on failure.
int64_t resident(int descriptor, uint64_t position, uint64_t length);

/// Reads a range into memory and returns when it is there (or dropped again already). Blocks; keeps
/// the next stretch on its way while it waits for this one. 0, or -errno.
int64_t read_ahead(int descriptor, uint64_t position, uint64_t length);

/// RWF_DONTCACHE of preadv2 (Linux 6.14): what a read brings into memory goes when it is read. Not
/// yet in the headers of Debian 12.
inline constexpr int kDontCache = 0x80;

/// Whether that was refused before: reads and drops by hand then.
bool keeps_what_it_reads();

/// Reads a range as preadv does, and leaves nothing of it in memory that was not there: with
/// RWF_DONTCACHE, else by dropping what was not in memory before as a whole. Blocks. Bytes read,
/// or -errno.
int64_t read_through(int descriptor, uint64_t position, MutableBytes out);

}  // namespace sluice::io::page_cache
