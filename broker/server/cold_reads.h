#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include <absl/container/flat_hash_map.h>

#include "base/time.h"

namespace sluice::broker {

/// Bounds what readers of old data may take of a device: a token bucket for each data directory,
/// refilled at so many bytes a second, a tenth of a second deep. Who asks for more than is there
/// goes into debt and waits until it is paid, so that large pieces pass. Thread-safe.
class ColdReads {
 public:
  explicit ColdReads(uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  /// Takes `bytes` of the directory that holds the log `path`, and says when they may be read.
  TimePoint take_turn(const std::string& path, uint64_t bytes);

 private:
  /// When the reads that were let in so far are paid for.
  struct Bucket {
    TimePoint paid_until{};
  };
  const uint64_t bytes_per_second_;
  std::mutex mutex_;
  absl::flat_hash_map<std::string, Bucket> buckets_;
};

}  // namespace sluice::broker
