#pragma once

#include <cstdint>
#include <string>

#include "client/cli/latencies.h"
#include "client/cli/shell.h"

namespace sluice::cli {

/// What a benchmark measured.
struct Measurement {
  std::string topic;
  uint64_t records = 0;
  /// Of keys and values.
  uint64_t bytes = 0;
  double seconds = 0;
  Latencies latencies;
  /// What `latencies` are of: "from send to acknowledgement".
  std::string latency_of;
  /// User and system time of this process.
  double client_cpu_seconds = 0;
};

/// Prints it; the JSON keys are an interface: records_per_second, bytes_per_second, latency_ms
/// {p50, p90, p99, p999, max}, client_cpu_seconds, and more.
Result<> print_measurement(const Shell& shell, const Measurement& measurement);

/// `size` bytes of letters that compress about as text does.
std::string sample_value(size_t size);

/// Wall and CPU time of a stretch of the program.
class Stopwatch {
 public:
  explicit Stopwatch(const Clock& clock);
  /// Fills in `seconds` and `client_cpu_seconds`.
  void stop(Measurement& measurement) const;

 private:
  const Clock& clock_;
  const TimePoint started_;
  const Duration cpu_before_;
};

}  // namespace sluice::cli
