#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"

namespace sluice::storage {

/// Where each leadership's records begin in a log (KIP-101, KIP-279): what followers truncate by.
/// A value without I/O; the log writes encode() with io::replace_file after every change. Entries
/// grow in epoch and in offset.
class LeaderEpochs {
 public:
  struct Entry {
    LeaderEpoch epoch{0};
    Offset start{0};
    bool operator==(const Entry&) const = default;
  };

  /// Records that `epoch` begins at `start`; true when that changed anything. Entries that
  /// contradict it (a higher epoch, or a start at or behind it) go: the log says otherwise.
  bool assign(LeaderEpoch epoch, Offset start);
  /// The log now ends at `end`: epochs that begin at or behind it go. True when something changed.
  bool truncate_end(Offset end);
  /// The log now starts at `start`: the epoch that covers it begins there, earlier ones go. True
  /// when something changed.
  bool truncate_start(Offset start);

  /// -1 when there is none.
  LeaderEpoch latest() const;
  /// The epoch of the record at `offset`; empty below the first entry.
  std::optional<LeaderEpoch> epoch_at(Offset offset) const;
  /// The largest known epoch at or below `asked` and the offset it ends at (`log_end` for the
  /// latest); -1, -1 when `asked` is above the latest or nothing is known. When `asked` is below
  /// the first known epoch: itself, ending where that one begins.
  std::pair<LeaderEpoch, Offset> end_of(LeaderEpoch asked, Offset log_end) const;

  bool empty() const { return entries_.empty(); }
  const std::vector<Entry>& entries() const { return entries_; }

  /// The content of a `leader-epoch-checkpoint` file (FORMAT.md).
  std::vector<std::byte> encode() const;
  /// Error: corrupt_file, also when entries do not grow.
  static Result<LeaderEpochs> parse(ByteView content);

 private:
  std::vector<Entry> entries_;
};

inline constexpr const char* kLeaderEpochFile = "leader-epoch-checkpoint";

}  // namespace sluice::storage
