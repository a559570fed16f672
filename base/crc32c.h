#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace sluice {

/// CRC-32C (Castagnoli, RFC 3720) of the bytes, three interleaved streams on machines that have
/// the instruction. `previous` is the CRC of the bytes before, to go on from; 0 at the start.
uint32_t crc32c(ByteView bytes, uint32_t previous = 0);

}  // namespace sluice
