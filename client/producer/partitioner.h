#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace sluice::client {

/// MurmurHash2 with Kafka's seed, as its Java client computes it.
int32_t murmur2(ByteView bytes);

/// The partition of a key: the hash without its sign, modulo the count, so that a key goes where
/// Kafka's own clients would send it.
int32_t partition_of_key(ByteView key, int32_t partitions);

}  // namespace sluice::client
