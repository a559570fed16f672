#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "io/disk.h"
#include "io/task.h"

namespace sluice::broker {

struct WalEntry {
  uint64_t index = 0;
  uint64_t term = 0;
  std::vector<std::byte> data;
  /// The data is a change of the group's configuration.
  bool configuration = false;
  bool operator==(const WalEntry&) const = default;
};

/// Who agrees on the log, and who only gets it.
struct GroupConfiguration {
  std::vector<NodeId> voters;
  std::vector<NodeId> learners;
  bool operator==(const GroupConfiguration&) const = default;
};

/// Where a log begins: behind an entry of which only the group's configuration is known.
struct LogStart {
  uint64_t index = 0;
  uint64_t term = 0;
  GroupConfiguration configuration;
  bool operator==(const LogStart&) const = default;
};

/// What a voter must not forget (Raft, section 5.1); zero in logs of versions without clusters.
struct HardState {
  uint64_t term = 0;
  uint64_t vote = 0;
  uint64_t commit = 0;
  bool operator==(const HardState&) const = default;
};

/// What becomes durable together.
struct WalBatch {
  /// Entries from this index on are void; takes effect before the entries.
  std::optional<uint64_t> truncate_from;
  /// Consecutive, and the first follows the last one kept.
  std::vector<WalEntry> entries;
  std::optional<HardState> hard_state;
  /// In the first batch of all.
  std::optional<LogStart> start;
};

struct WalSnapshot {
  /// Of the last entry it stands for.
  uint64_t index = 0;
  uint64_t term = 0;
  std::vector<std::byte> data;
  /// As of that entry; empty in logs of versions without clusters.
  GroupConfiguration configuration;
  bool operator==(const WalSnapshot&) const = default;
};

struct WalOptions {
  /// Of one file; a larger frame gets a larger file.
  size_t file_bytes = 256_KiB;
};

/// The write-ahead log of the metadata: files of zeros written ahead, so that a commit changes no
/// file's size, and used again once a snapshot covers them. FORMAT.md has the bytes and what holds
/// across a crash. One call at a time. A failed sync is final: nobody knows what is on the device.
class Wal {
 public:
  /// What is on disk, all of it durable by now.
  struct Content {
    std::optional<WalSnapshot> snapshot;
    /// Unless a snapshot is there.
    std::optional<LogStart> start;
    HardState hard_state;
    /// Those after the snapshot.
    std::vector<WalEntry> entries;

    /// The entry before the first one.
    uint64_t base() const { return snapshot ? snapshot->index : start ? start->index : 0; }
  };
  struct Opened;

  /// `directory` is made when missing; the caller holds a lock on it. A torn tail is cut; a log
  /// that was durable and is broken now is corrupt_file, with the file and the place.
  static io::Task<Result<Opened>> open(io::Disk& disk, std::string directory, WalOptions options);

  /// Done when it is durable. Errors: disk_full (nothing was written; may be tried again),
  /// invalid_argument (too large), disk_failed and disk_offline (final).
  io::Task<Result<>> append(WalBatch batch);
  /// Replaces all entries up to snapshot.index, which must be in the log, by the snapshot. On an
  /// error the entries stay.
  io::Task<Result<>> save_snapshot(WalSnapshot snapshot);
  /// A snapshot that came from elsewhere: replaces the whole log, also what lies behind its index.
  io::Task<Result<>> install_snapshot(WalSnapshot snapshot);

  uint64_t last_index() const { return last_index_; }
  /// Bytes of frames that the last snapshot does not cover, also those written before this open.
  uint64_t bytes_since_snapshot() const { return bytes_since_snapshot_; }

 private:
  /// A file whose frames are done with; in the order of their sequences.
  struct Sealed {
    uint64_t sequence = 0;
    uint64_t last_index = 0;
    uint64_t bytes = 0;
  };
  friend class WalReader;

  Wal(io::Disk& disk, std::string directory, WalOptions options)
      : disk_(disk), directory_(std::move(directory)), options_(options) {}
  io::Task<Result<>> roll(size_t least_bytes);
  io::Task<Result<std::unique_ptr<io::File>>> prepare(uint64_t sequence, size_t least_bytes);
  io::Task<Result<>> write(const std::vector<std::byte>& frame);
  io::Task<void> mark_synced();
  io::Task<Result<>> replace_snapshot(const WalSnapshot& snapshot);
  io::Task<Result<>> remove_covered(uint64_t snapshot_index);
  std::string path_of(uint64_t sequence) const;

  io::Disk& disk_;
  const std::string directory_;
  const WalOptions options_;
  std::unique_ptr<io::File> file_;
  uint64_t sequence_ = 0;
  uint64_t file_bytes_ = 0;
  uint64_t position_ = 0;
  uint64_t next_number_ = 1;
  uint64_t last_index_ = 0;
  uint64_t bytes_since_snapshot_ = 0;
  HardState hard_state_;
  std::vector<Sealed> sealed_;
  /// A file that may be used again, by its sequence.
  std::optional<Sealed> spare_;
  std::optional<Error> failed_;
};

struct Wal::Opened {
  std::unique_ptr<Wal> wal;
  Content content;
};

/// Names of the files in the directory.
std::string wal_file_name(uint64_t sequence);
std::string wal_snapshot_name(uint64_t index);

}  // namespace sluice::broker
