#pragma once

// What the machine itself can do, written as plainly as possible: the floors that sluice's figures
// are divided by. Measured in the same run, because the machine's speed drifts.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::bench {

struct Rate {
  uint64_t operations = 0;
  uint64_t bytes = 0;
  double seconds = 0;
  double cpu_seconds = 0;

  double bytes_per_second() const { return static_cast<double>(bytes) / seconds; }

  double cpu_seconds_per_gb() const { return cpu_seconds * 1e9 / static_cast<double>(bytes); }
};

/// Latencies in microseconds, sorted on first use.
class Latencies {
 public:
  void add(std::chrono::nanoseconds value) { values_.push_back(value.count()); }
  size_t count() const { return values_.size(); }
  /// Microseconds; 0 <= q <= 1.
  double quantile(double q);

 private:
  std::vector<int64_t> values_;
  bool sorted_ = false;
};

/// Writes `total` bytes in pieces of `piece` to a new file in `directory` with one pwritev each and
/// space reserved ahead, and removes it.
Rate pwritev_floor(const std::string& directory, size_t piece, uint64_t total);

/// Reads the file, which is on the device and no longer in memory, in pieces of 1 MiB and computes
/// their CRC-32C.
Rate read_crc_floor(const std::string& path);

/// One pwrite of `piece` bytes and fdatasync, `count` times, `rate` a second: an idle machine takes
/// longer than a busy one to wake up, and the broker is asked at the same rate.
Latencies fdatasync_floor(const std::string& directory, size_t piece, double rate, size_t count);

/// A server thread answers each 64-byte request with `piece` bytes of a cached file by sendfile; a
/// client asks and reads, one request at a time, until `total` bytes came. cpu_seconds is the
/// server thread's.
Rate sendfile_floor(const std::string& directory, size_t piece, uint64_t total);

/// A server thread reads `piece` bytes, computes their CRC-32C, pwrites them to a file with space
/// reserved ahead and answers with 16 bytes; a client keeps `window` of them under way until
/// `total` bytes are written. cpu_seconds is the server thread's.
Rate ingest_floor(const std::string& directory, size_t piece, size_t window, uint64_t total);

/// A bare epoll server reads `piece` bytes, pwrites them to a file and answers with 16 bytes; each
/// of `connections` clients sends one request at a time, `count` in all.
Latencies echo_floor(const std::string& directory, size_t piece, size_t connections, size_t count);

}  // namespace sluice::bench
