#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/bytes.h"

namespace sluice::sim {

/// Folds one word into a 64-bit hash: multiply to 128 bits and fold, as wyhash (Wang Yi) does. The
/// same on every machine, so that a trace printed on one can be compared with another's.
inline uint64_t mix(uint64_t hash, uint64_t word) {
  const auto product =
      static_cast<unsigned __int128>(hash ^ 0xa0761d6478bd642f) * (word ^ 0xe7037ed1a0b428db);
  return static_cast<uint64_t>(product >> 64) ^ static_cast<uint64_t>(product) ^ (hash << 1 | 1);
}

inline uint64_t mix(uint64_t hash, ByteView bytes) {
  hash = mix(hash, bytes.size());
  size_t at = 0;
  for (uint64_t word; at + sizeof(word) <= bytes.size(); at += sizeof(word)) {
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    hash = mix(hash, word);
  }
  uint64_t rest = 0;
  if (at < bytes.size()) std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
  return mix(hash, rest);
}

inline uint64_t mix(uint64_t hash, std::string_view text) { return mix(hash, as_bytes(text)); }

/// Everything that happened in a simulation, folded into one number: equal for equal runs.
class Trace {
 public:
  template <class... Words>
  void note(std::string_view what, Words... words) {
    hash_ = mix(hash_, what);
    ((hash_ = mix(hash_, static_cast<uint64_t>(words))), ...);
    ++events_;
  }
  void note_bytes(ByteView bytes) { hash_ = mix(hash_, bytes); }
  uint64_t hash() const { return hash_; }
  uint64_t events() const { return events_; }

 private:
  uint64_t hash_ = 0;
  uint64_t events_ = 0;
};

}  // namespace sluice::sim
