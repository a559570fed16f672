#pragma once

#include <string>
#include <utility>
#include <vector>

#include "storage/batch_reader.h"
#include "storage/compaction_filter.h"
#include "storage/inspect.h"
#include "storage/segment_name.h"

namespace sluice::storage {

/// Reads what one segment's files say and compares it. Indexes are loaded first; then the batches
/// pass by them, once.
class SegmentInspector {
 public:
  SegmentInspector(io::Disk& disk, const InspectOptions& options, const InspectSink& sink,
                   MemoryBudget& memory, InspectCounts& counts)
      : disk_(disk), options_(options), sink_(sink), memory_(memory), counts_(counts) {}

  /// The segment with that base; `sealed`: another follows. Where it ends: the next offset.
  io::Task<Result<Offset>> inspect(std::string folder, Offset base, bool sealed,
                                   const LeaderEpochs* epochs);
  /// One index file by itself.
  io::Task<Result<>> inspect_index(std::string path, Offset base, bool of_times);

  void problem(const std::string& path, const std::string& what);
  void file(const std::string& path, uint64_t bytes);

 private:
  struct OffsetEntry {
    Offset last_offset;
    uint64_t position;
  };
  struct TimeEntry {
    Timestamp timestamp;
    Offset offset;
  };
  /// What is known at one batch.
  struct Place {
    const std::string& path;
    uint64_t position = 0;
    Timestamp largest = kNoTimestamp;
    const LeaderEpochs* epochs = nullptr;
  };
  io::Task<Result<>> load_offsets(std::string path, Offset base);
  io::Task<Result<>> load_times(std::string path, Offset base);
  io::Task<Result<std::vector<std::byte>>> load(std::string path, size_t entry_size);
  void batch(const record::BatchView& batch, const Place& place);
  void records(const record::BatchView& batch, const InspectedBatch& where);
  void compare_indexes(const record::BatchHeader& header, const Place& place);
  void check_ends(const std::string& log_path, bool sealed, Timestamp largest);

  io::Disk& disk_;
  const InspectOptions& options_;
  const InspectSink& sink_;
  MemoryBudget& memory_;
  InspectCounts& counts_;
  RecordSource source_{64_MiB};
  std::vector<OffsetEntry> offsets_;
  std::vector<TimeEntry> times_;
  size_t next_offset_entry_ = 0;
  size_t next_time_entry_ = 0;
};

}  // namespace sluice::storage
