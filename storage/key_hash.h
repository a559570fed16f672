#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/random.h"

namespace sluice::storage {

/// 128 bits that stand for a record key.
struct KeyHash {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const KeyHash&) const = default;
};

/// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein 2012; reference code's
/// SIPHASH_128BITS). Keyed, so that nobody can write two keys that compaction takes for one.
class KeyHasher {
 public:
  explicit KeyHasher(Random& random) : key_{random.next(), random.next()} {}
  explicit KeyHasher(std::array<uint64_t, 2> key) : key_(key) {}

  KeyHash operator()(ByteView key) const;

 private:
  std::array<uint64_t, 2> key_;
};

}  // namespace sluice::storage
