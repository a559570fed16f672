#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/memory_budget.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "io/runtime.h"
#include "io/sync.h"
#include "storage/compaction_filter.h"
#include "storage/compaction_plan.h"
#include "storage/log.h"

namespace sluice::storage {

/// Compacts logs, one at a time: maps the keys of what is dirty, then rewrites segments and swaps
/// them in (KIP-58 and KIP-534 for what stays, FORMAT.md for how). Reads and writes wait in the
/// background lane, what computes runs off the loops. All memory is charged.
class Compactor {
 public:
  struct Ports {
    io::Executor& executor;
    Random& random;
    const Clock& clock;
    MemoryBudget& memory;
    Logger log;
  };
  /// A log and where it lives.
  struct Target {
    Log& log;
    io::Disk& disk;
    /// Removes files later.
    std::function<void(std::vector<std::string> paths)> discard;
    /// Where its last compaction ended, negative before the first.
    Offset cleaned_end{-1};
  };
  /// `map_bytes`: most that the table of keys takes.
  Compactor(Ports ports, size_t map_bytes) : ports_(ports), map_bytes_(map_bytes) {}

  /// How urgent it is to compact the log; 0: there is nothing to do.
  io::Task<Result<double>> dirty_ratio(const Target& target) const;
  /// Compacts as far as the memory reaches. Where compaction goes on next time; empty when there
  /// was nothing to do, or `stopping` or another change of the log ended it early.
  io::Task<Result<std::optional<Offset>>> compact(Target target, const std::atomic<bool>& stopping);
  /// Done when no compaction is under way that began before: it writes files under the names that a
  /// repair gives its own.
  io::Task<void> wait_idle();

 private:
  struct Pass;
  io::Task<Result<std::optional<CompactionPlan>>> plan(const Target& target,
                                                       std::vector<SegmentInfo>& segments) const;
  io::Task<Result<>> run(Pass& pass, CompactionPlan plan);
  io::Task<Result<>> map_dirty(Pass& pass, const CompactionPlan& plan);
  io::Task<Result<>> rewrite(Pass& pass, std::span<const SegmentInfo> group);
  io::Task<Result<>> filter_segments(Pass& pass, std::span<const SegmentInfo> group,
                                     class CleanedSegment& to);

  const Ports ports_;
  const size_t map_bytes_;
  io::AsyncMutex running_;
};

}  // namespace sluice::storage
