#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/task.h"
#include "tests/sim/disk_image.h"
#include "tests/sim/simulator.h"

namespace sluice::sim {

/// What is crashed, and what must hold after any crash. `Ledger` is a value with == that the script
/// writes down its acknowledged work in; each check gets the ledger of the moment of its crash.
template <class Ledger>
struct CrashScenario {
  /// Does its work on the node's disk and joins what it started.
  std::function<io::Task<Result<>>(SimNode& node, Ledger& ledger)> script;
  /// Opens what the crash left and compares; an error says what is broken. Joins as well, and may
  /// be crashed itself, for which it may write to the disk and must be repeatable.
  std::function<io::Task<Result<>>(SimNode& node, const Ledger& ledger)> check;
};

struct CrashOptions {
  /// Tried at every point, besides this many random crashes.
  std::vector<CrashMode> modes = {CrashMode::keep_all, CrashMode::lose_all, CrashMode::torn,
                                  CrashMode::zero_tail};
  uint64_t random_crashes = 4;
  /// How many times in a row the check is crashed as well.
  size_t nested = 1;
  uint64_t seed = 1;
  /// Stops after so many checks, which the report then tells.
  uint64_t states_max = 1'000'000;
};

struct CrashReport {
  uint64_t points = 0;      ///< moments of a crash: before and after each call that changes a disk
  uint64_t states = 0;      ///< different disks left by crashes, each checked
  uint64_t duplicates = 0;  ///< disks that were checked before with the same ledger
  bool stopped = false;     ///< by states_max
  /// The first few broken checks, with the crash that leads there.
  std::vector<std::string> failures;

  /// "1,203 states ..." on one line, then the failures.
  std::string to_string() const;
};

struct FaultOptions {
  /// A call that no full disk refuses is not failed with disk_full.
  std::vector<Errc> errors = {Errc::disk_failed, Errc::disk_full};
  uint64_t seed = 1;
};

struct FaultReport {
  uint64_t faults = 0;  ///< runs of the script with a failing call
  uint64_t checks = 0;
  std::vector<std::string> failures;
  std::string to_string() const;
};

namespace internal {

/// A scenario without its ledger's type: mark() keeps the ledger as it is and returns its number.
struct CrashRun {
  std::function<io::Task<Result<>>(SimNode& node)> script;
  std::function<size_t()> mark;
  std::function<io::Task<Result<>>(SimNode& node, size_t mark)> check;
};
CrashReport enumerate_crashes(const CrashRun& run, const CrashOptions& options);
FaultReport fail_each_call(const CrashRun& run, const FaultOptions& options);

template <class Ledger>
class Ledgers {
 public:
  explicit Ledgers(const CrashScenario<Ledger>& scenario) : scenario_(scenario) {}

  CrashRun run() {
    return {[this](SimNode& node) {
              live_ = Ledger{};
              return scenario_.script(node, live_);
            },
            [this] {
              if (kept_.empty() || !(kept_.back() == live_)) kept_.push_back(live_);
              return kept_.size() - 1;
            },
            [this](SimNode& node, size_t mark) { return scenario_.check(node, kept_[mark]); }};
  }

 private:
  const CrashScenario<Ledger>& scenario_;
  Ledger live_{};
  std::deque<Ledger> kept_;
};

}  // namespace internal

/// Runs the script once, and the check on every different disk that a power loss before or after
/// any call that changes the disk may leave; then likewise crashes the check, on each of them.
template <class Ledger>
CrashReport enumerate_crashes(const CrashScenario<Ledger>& scenario, CrashOptions options = {}) {
  internal::Ledgers<Ledger> ledgers(scenario);
  return internal::enumerate_crashes(ledgers.run(), options);
}

/// For n = 1, 2, ... until the script makes fewer calls: runs the script with the n-th disk call
/// failing, and the check on what that leaves when the process is restarted and when the power
/// fails. The script may return the error, and must not break or hang.
template <class Ledger>
FaultReport fail_each_call(const CrashScenario<Ledger>& scenario, FaultOptions options = {}) {
  internal::Ledgers<Ledger> ledgers(scenario);
  return internal::fail_each_call(ledgers.run(), options);
}

}  // namespace sluice::sim
