#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice::record {

/// Inflates LZ4 frames (lz4_Frame_format.md 1.6.2): independent and linked blocks, all checksums,
/// several frames, skippable frames; no dictionaries. Capacity and errors as
/// Decompressor::decompress.
///
/// Why not LZ4F_decompress(): it allocates two buffers of the block size that the frame claims, up
/// to 8 MiB, outside of any limit, and stages blocks in them. Here blocks inflate in place.
Result<> decompress_lz4(ByteView input, size_t max_size, std::vector<std::byte>& out);

}  // namespace sluice::record
