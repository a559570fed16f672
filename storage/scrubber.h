#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "io/runtime.h"
#include "io/sync.h"
#include "storage/data_directory.h"
#include "storage/log_table.h"

namespace sluice::storage {

/// Reads all batches again, one log after the other, so slowly that nobody feels it: what a device
/// lost silently is found while other replicas still have it.
class Scrubber {
 public:
  struct Ports {
    io::Runtime& runtime;
    const LogTable& table;
    MetricsRegistry& metrics;
    Logger log;
    io::Signal& stop;
    const std::atomic<bool>& stopping;
  };
  struct Options {
    /// From the start of a pass to that of the next, unless it takes longer.
    std::chrono::milliseconds interval;
    uint64_t bytes_per_second = 0;
  };
  Scrubber(Ports ports, Options options);

  /// One pass after the other over what the directory holds, until the stop.
  io::Task<void> run(const DataDirectory& directory);

 private:
  struct Pass {
    uint64_t bytes = 0;
    uint64_t bytes_total = 0;
    TimePoint next_read{};
  };
  io::Task<void> scrub(const DataDirectory& directory);
  io::Task<void> pace(Pass& pass, uint64_t bytes);

  const Ports ports_;
  const Options options_;
  Counter& bytes_;
  Counter& passes_;
  Counter& damaged_;
};

}  // namespace sluice::storage
