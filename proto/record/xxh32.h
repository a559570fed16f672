#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace sluice::record {

/// XXH32 with seed 0 (xxhash_spec.md 0.1.1), the checksum of LZ4 frames.
uint32_t xxh32(ByteView bytes);

}  // namespace sluice::record
