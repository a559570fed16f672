#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/metadata/wal.h"
#include "broker/metadata/wal_frame.h"

namespace sluice::broker {

/// Reads what is on disk when a log is opened, and tells a torn tail from damage.
class WalReader {
 public:
  WalReader(io::Disk& disk, std::string directory, WalOptions options)
      : disk_(disk), directory_(std::move(directory)), options_(options) {}

  io::Task<Result<Wal::Opened>> read();

 private:
  /// One file, as far as it can be read.
  struct FileContent {
    uint64_t sequence = 0;
    std::vector<std::byte> bytes;
    std::optional<wal::FileHeader> header;
    wal::Scanned scanned;
    uint64_t last_index = 0;
    /// Of frames with entries that the snapshot does not cover.
    uint64_t uncovered_bytes = 0;

    /// The number that follows its frames.
    uint64_t next_number() const { return header->first_number + scanned.frames.size(); }
  };

  io::Task<Result<std::optional<WalSnapshot>>> read_snapshot(
      const std::vector<io::DirectoryEntry>& entries);
  io::Task<Result<>> forget_cached(std::string path);
  io::Task<Result<FileContent>> read_wal(uint64_t sequence);
  /// Where the files begin that follow each other up to the last usable one.
  static size_t first_of_chain(const std::vector<FileContent>& files);
  Result<> replay(FileContent& file, Wal::Content& content);
  Result<> replay(WalBatch batch, FileContent& file, Wal::Content& content);
  /// corrupt_file when the file, which is not in the chain, has what the snapshot lacks.
  Result<> check_covered(const FileContent& file, uint64_t snapshot_index) const;
  io::Task<Result<>> go_on_in(Wal& wal, const FileContent& file);
  std::string path_of(uint64_t sequence) const {
    return directory_ + "/" + wal_file_name(sequence);
  }

  io::Disk& disk_;
  const std::string directory_;
  const WalOptions options_;
  /// The entries read now lie behind a snapshot of another history, and are void.
  bool diverged_ = false;
};

}  // namespace sluice::broker
