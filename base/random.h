#pragma once

#include <cstdint>

#include "base/check.h"

namespace sluice {

/// Where randomness comes from; the real one is seeded by the OS, the simulated one by its seed.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next() = 0;

  /// Uniform in [0, bound).
  uint64_t below(uint64_t bound) {
    CHECK(bound > 0, "a random number below nothing does not exist");
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  /// True once in `n` draws.
  bool one_in(uint64_t n) { return below(n) == 0; }
};

/// xoshiro256** (Blackman and Vigna 2018), seeded through splitmix64. Not for secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) {
    for (auto& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }

  uint64_t next() override {
    const uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

 private:
  static uint64_t rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  uint64_t state_[4];
};

}  // namespace sluice
