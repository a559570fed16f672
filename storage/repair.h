#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "base/strong.h"
#include "io/disk.h"
#include "io/task.h"
#include "storage/leader_epochs.h"

namespace sluice::storage {

/// Another replica of a log, which still has what this one lost.
class RangeSource {
 public:
  virtual ~RangeSource() = default;
  /// Whole batches from the one on that holds `from`, or the next where there is none; of those
  /// before `to` any number but zero, more may follow. Empty: it cannot say what belongs there. The
  /// bytes live until the next call. Errors: of the way there; another attempt may do.
  virtual io::Task<Result<MutableBytes>> fetch(Offset from, Offset to) = 0;
  /// How many replicas may be asked, and which of them is from now on; the first at first.
  virtual size_t copies() const { return 1; }
  virtual void turn_to(size_t /*copy*/) {}
};

/// What is to be done to a log's files, all of it prepared beside them.
struct RepairPlan {
  /// Segments whose whole copy stands ready as `<base>.log.cleaned`, ascending; also of segments
  /// that were lost as a whole.
  std::vector<Offset> rewritten;
  /// Where the log has to end, because nobody can say what belongs behind it: the segment with that
  /// base is cut at `position`, unless its copy is already, and those behind it go.
  struct Cut {
    Offset segment{0};
    uint64_t position = 0;
    Offset end{0};
  };
  std::optional<Cut> cut;
  /// Ranges of offsets that were put in again, and their bytes.
  uint64_t ranges = 0;
  uint64_t bytes = 0;
  /// The other replica has gaps too: they are no damage.
  bool has_gaps = false;
  /// What could not be proven, in words ("offsets 7 to 9"): it stays as it is, and so does the
  /// whole segment around it.
  std::vector<std::string> lost;
  /// Where the log ends then.
  Offset end{0};
};

/// How a log is repaired.
struct RepairRules {
  /// No offset may be missing.
  bool dense = true;
  /// Below it all replicas have the same records; what is damaged above it is not put in again.
  Offset committed{0};
  size_t segment_bytes = 0;
  size_t index_interval_bytes = 0;
  /// Nobody leads but this log, and the others may have something else where it is bad. Only that
  /// counts which can be proven to be what was lost, committed or not: of two logs with the same
  /// batch (offset, leader epoch, checksum) all before it is the same, and an offset has one batch
  /// in an epoch. And nothing is cut.
  bool proven = false;
  /// `proven`: the log had everything before it.
  Offset promised{0};
  /// Where its epochs begin, as the log wrote it down.
  LeaderEpochs epochs = {};
};

/// Finds what is bad in the files of a damaged log and writes copies with it put right. The files
/// themselves stay as they are, and must not change meanwhile. Errors: the disk's and the source's,
/// cancelled when `stopping`; then nothing is left behind but what the next attempt overwrites.
struct RepairPorts {
  io::Disk& disk;
  MemoryBudget& memory;
  const std::atomic<bool>& stopping;
};
io::Task<Result<RepairPlan>> plan_repair(RepairPorts ports, std::string folder, RepairRules rules,
                                         RangeSource& source);

/// Puts the plan in force; the log is closed. Names of files that may be removed. What a crash
/// leaves half done, the next open finishes, or finds damaged again.
io::Task<Result<std::vector<std::string>>> apply_repair(io::Disk& disk, std::string folder,
                                                        RepairPlan plan);

}  // namespace sluice::storage
