#include "client/cli/latencies.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sluice::cli {

// The first 64 buckets are one nanosecond wide; then each power of two has 64 of equal width.
size_t Latencies::bucket_of(uint64_t nanoseconds) {
  constexpr uint64_t kSubs = uint64_t{1} << kSubBits;
  if (nanoseconds < kSubs) return nanoseconds;
  const int shift = std::bit_width(nanoseconds) - kSubBits - 1;
  return (static_cast<size_t>(shift) + 1) * kSubs + ((nanoseconds >> shift) - kSubs);
}

uint64_t Latencies::last_of(size_t bucket) {
  constexpr uint64_t kSubs = uint64_t{1} << kSubBits;
  if (bucket < kSubs) return bucket;
  const size_t shift = bucket / kSubs - 1;
  const uint64_t sub = kSubs + bucket % kSubs;
  return ((sub + 1) << shift) - 1;
}

void Latencies::add(Duration latency) {
  const auto nanoseconds = static_cast<uint64_t>(std::max<int64_t>(latency.count(), 0));
  ++counts_.at(bucket_of(std::min(nanoseconds, kMost)));
  ++count_;
  max_ = std::max(max_, latency);
}

void Latencies::add(const Latencies& others) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += others.counts_[i];
  count_ += others.count_;
  max_ = std::max(max_, others.max_);
}

Duration Latencies::quantile(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen >= wanted && seen > 0) {
      return std::min(Duration(static_cast<int64_t>(last_of(bucket))), max_);
    }
  }
  return Duration(0);
}

}  // namespace sluice::cli
