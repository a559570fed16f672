#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include "base/guarded.h"
#include "storage/data_directory.h"
#include "storage/log.h"

namespace sluice::storage {

/// The logs that are open, and the folders that could not be made into one. Thread-safe; nothing is
/// asked of a log while the table is locked.
class LogTable {
 public:
  struct Entry {
    std::shared_ptr<Log> log;
    DataDirectory* directory = nullptr;
    /// What the checkpoint said at open: a damaged log must not forget it.
    Offset recorded_synced_end{0};
    /// Of one that was damaged when it was opened: it may be above what is left.
    Offset recorded_high_watermark{0};
    /// Where compaction goes on; negative: it never ran.
    Offset cleaned_end{-1};
  };
  struct Failed {
    DataDirectory::FoundLog found;
    const DataDirectory* directory = nullptr;
    Error cause{Errc::internal};
  };

  std::shared_ptr<Log> find(const TopicPartition& partition) const;
  std::optional<Entry> entry(const TopicPartition& partition) const;
  std::optional<Error> find_failed(const TopicPartition& partition) const;
  /// Ordered by partition, as entries() and rows() are.
  std::vector<std::shared_ptr<Log>> all() const;
  std::vector<Entry> entries() const;
  size_t logs_in(const DataDirectory& directory) const;
  /// A folder that was left out counts too.
  bool any_failed_in(const DataDirectory& directory) const;

  /// Claims a name for a log that is being made; false when it is taken.
  bool claim(const TopicPartition& partition);
  /// Takes the log out and claims its name until it is released; empty when there is none.
  std::optional<Entry> take(const TopicPartition& partition);
  /// Puts a log in, and ends the claim to its name.
  void put(Entry entry);
  void release(const TopicPartition& partition);
  void add_failed(Failed failed);
  /// Takes one that was left out away and claims its name until it is released.
  std::optional<Failed> take_failed(const TopicPartition& partition);
  /// The folder is left out because another directory has one of that name: only what is noted
  /// about it is kept.
  void add_duplicate(DataDirectory::FoundLog found, const DataDirectory& directory);
  /// The synced end of a log is noted whose folder is gone: that stays noted until there is a log
  /// of the name again, and counts until that one is taken out.
  void add_lost(CheckpointEntry entry, const DataDirectory& directory);
  /// Where a log that was lost so had been synced; 0: there was none.
  Offset lost_end(const TopicPartition& partition, const Uuid& topic_id) const;
  /// The log was taken out but its folder is still there: what is noted about it stays noted.
  void keep_failed(const Entry& taken, Error cause);
  /// Notes how far the log was compacted, if it is still there.
  void set_cleaned_end(const Log& log, Offset end);
  /// The log is going to be cut: what comes behind `end` then was never compacted.
  void lower_cleaned_end(const TopicPartition& partition, Offset end);

  /// What the checkpoints of a directory are to say.
  std::vector<CheckpointRow> rows(const DataDirectory& directory) const;

 private:
  /// Ordered, because what is done to all logs is done in this order: a hash table's changes from
  /// run to run, and a simulated run has to repeat.
  struct Tables {
    absl::btree_map<TopicPartition, Entry> logs;
    absl::btree_map<TopicPartition, Failed> failed;
    absl::btree_set<TopicPartition> claimed;
    std::vector<std::pair<DataDirectory::FoundLog, const DataDirectory*>> duplicates;
    std::vector<std::pair<CheckpointEntry, const DataDirectory*>> lost;
  };
  Guarded<Tables> tables_;
};

}  // namespace sluice::storage
