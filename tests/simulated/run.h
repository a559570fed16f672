#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace sluice::sim {

struct RunOptions {
  /// One alone, or a cluster of so many.
  uint32_t brokers = 1;
  /// How often something goes wrong; 0: only CPU delays and split packets.
  uint32_t misfortunes = 20;
  /// After a failed sync the page cache may hold what the device will never get, as if it had been
  /// written (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020). Without
  /// this the machine is reset before the broker starts again, with it the process alone is.
  bool trust_cache = false;
  /// Of the history, the last ones.
  size_t shown_lines = 400;
  /// Of the history, only lines with this text; empty: all.
  std::string about;
};

/// What a run showed; equal for equal seeds and options.
struct RunReport {
  uint64_t trace = 0;
  uint64_t steps = 0;
  Duration lasted{};
  size_t acknowledged = 0, refused = 0, unknown = 0, read = 0;
  uint32_t power_cuts = 0;
  /// A sentence for everything that must not be; empty when all is well.
  std::vector<std::string> broken;
  /// What happened, a line an event.
  std::string history;
};

/// One or more brokers, producers and consumers in one process: creates topics, produces, consumes
/// and describes while things go wrong, lets everything heal, reads it all back and checks the
/// invariants.
RunReport run_seed(uint64_t seed, const RunOptions& options = {});

}  // namespace sluice::sim
