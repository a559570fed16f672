#include "client/producer/partitioner.h"

#include <cstring>

namespace sluice::client {

// Austin Appleby's MurmurHash2 (public domain), 32 bits, on little-endian words.
int32_t murmur2(ByteView bytes) {
  constexpr uint32_t kMultiplier = 0x5bd1e995;
  constexpr uint32_t kSeed = 0x9747b28c;
  constexpr int kShift = 24;
  const size_t length = bytes.size();
  const auto* at = bytes.data();
  uint32_t hash = kSeed ^ static_cast<uint32_t>(length);
  for (size_t words = length / 4; words > 0; --words, at += 4) {
    uint32_t word;
    std::memcpy(&word, at, 4);
    word *= kMultiplier;
    word ^= word >> kShift;
    word *= kMultiplier;
    hash = (hash * kMultiplier) ^ word;
  }
  switch (length % 4) {
    case 3:
      hash ^= static_cast<uint32_t>(at[2]) << 16;
      [[fallthrough]];
    case 2:
      hash ^= static_cast<uint32_t>(at[1]) << 8;
      [[fallthrough]];
    case 1:
      hash ^= static_cast<uint32_t>(at[0]);
      hash *= kMultiplier;
      break;
    default:
      break;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  hash ^= hash >> 15;
  return static_cast<int32_t>(hash);
}

int32_t partition_of_key(ByteView key, int32_t partitions) {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

}  // namespace sluice::client
