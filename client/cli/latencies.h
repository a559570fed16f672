#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"

namespace sluice::cli {

/// A histogram of durations up to 68 s with buckets at most 1/64 of their value wide, so that a
/// quantile is at most 1.6 % too high. Adding is a few instructions.
class Latencies {
 public:
  /// Below zero counts as zero, above the range as its end.
  void add(Duration latency);
  void add(const Latencies& others);

  uint64_t count() const { return count_; }
  Duration max() const { return max_; }
  /// The least upper bound of a bucket such that `share` (0 to 1) of all lie at or below it; zero
  /// when there are none.
  Duration quantile(double share) const;

 private:
  static constexpr int kSubBits = 6;
  static constexpr int kOctaves = 31;
  static constexpr uint64_t kMost = (uint64_t{1} << (kOctaves + kSubBits - 1)) - 1;
  static size_t bucket_of(uint64_t nanoseconds);
  static uint64_t last_of(size_t bucket);

  std::array<uint64_t, size_t{kOctaves + 1} << kSubBits> counts_{};
  uint64_t count_ = 0;
  Duration max_{0};
};

}  // namespace sluice::cli
