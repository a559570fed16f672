#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice::record {

/// Replaces `out` with the input in the framing of snappy-java's SnappyOutputStream, as Kafka's
/// Java client writes it: a magic of 8 bytes, version and lowest compatible version (i32, both 1),
/// then blocks of at most 32 KiB, each an i32 size and that many bytes of raw snappy.
void compress_snappy(ByteView input, std::vector<std::byte>& out);

/// Inflates that framing, and raw snappy as librdkafka and franz-go send it. Capacity and errors
/// as Decompressor::decompress.
Result<> decompress_snappy(ByteView input, size_t max_size, std::vector<std::byte>& out);

}  // namespace sluice::record
