#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/disk.h"
#include "io/sync.h"
#include "storage/checkpoint.h"

namespace sluice::storage {

/// What a data directory's checkpoints say about one log.
struct CheckpointRow {
  TopicPartition partition;
  Uuid topic_id;
  Offset synced_end{0};
  Offset log_start{0};
  Offset high_watermark{0};
  /// Where compaction goes on; negative: it never ran.
  Offset cleaned_end{-1};
};

/// Writes the checkpoints of one data directory. Calls that wait share a write, so that a thousand
/// deletions or truncations cost a few; a file whose content did not change is left alone.
class CheckpointWriter {
 public:
  /// `rows` tells the state to write, at any time and on any loop; it and `disk` outlive this.
  CheckpointWriter(io::Disk& disk, std::string directory,
                   std::function<std::vector<CheckpointRow>()> rows);

  /// What a file holds already, so that it is not written again unchanged. Before the first write;
  /// a file that is missing counts as empty.
  void seed(std::string_view name, const Checkpoint& entries);
  /// Done when what `rows` would tell now is durable.
  io::Task<Result<>> write();

 private:
  struct File {
    const char* name;
    CheckpointKind kind;
    std::vector<std::byte> written;
  };
  io::Task<Result<>> write_now();
  io::Task<Result<>> write_file(File& file, Checkpoint entries);

  io::Disk& disk_;
  const std::string directory_;
  const std::function<std::vector<CheckpointRow>()> rows_;
  std::array<File, 5> files_;
  io::AsyncMutex writing_;
  std::atomic<uint64_t> asked_{0};
  /// Under `writing_`: calls up to this one are served.
  uint64_t served_ = 0;
};

}  // namespace sluice::storage
