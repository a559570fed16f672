#include "broker/server/cold_reads.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "io/loop.h"

namespace sluice::broker {
namespace {

constexpr Duration kDepth = 100ms;

/// "/data/a/orders-3/00000000000000000000.log" is read from "/data/a".
std::string directory_of(std::string_view path) {
  for (int levels = 0; levels < 2; ++levels) path = path.substr(0, path.rfind('/'));
  return std::string(path);
}

}  // namespace

TimePoint ColdReads::take_turn(const std::string& path, uint64_t bytes) {
  const TimePoint now = io::Loop::current()->now();
  const Duration cost(
      static_cast<int64_t>(bytes * 1'000'000'000.0 / static_cast<double>(bytes_per_second_)));
  std::lock_guard guard(mutex_);
  auto& bucket = buckets_[directory_of(path)];
  bucket.paid_until = std::max(bucket.paid_until, now);
  const TimePoint may_go = bucket.paid_until - kDepth;
  bucket.paid_until += cost;
  return may_go;
}

}  // namespace sluice::broker
