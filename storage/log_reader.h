#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "storage/epoch_runs.h"
#include "storage/index_fit.h"
#include "storage/log_context.h"
#include "storage/segment_lookup.h"

namespace sluice::storage {

/// Finds what is asked of a log; the bytes themselves stay in the file. Any number at once.
class LogReader {
 public:
  explicit LogReader(LogContext& log) : log_(log) {}

  // See Log.
  io::Task<Result<ReadResult>> read(ReadRequest request);
  io::Task<Result<TimestampOffset>> find_by_time(Timestamp at);
  io::Task<Result<TimestampOffset>> find_max_timestamp();
  io::Task<Result<std::vector<SegmentInfo>>> segments();
  io::Task<Result<>> warm_up(uint64_t bytes);
  /// What a check found beside damage, for the writer to put right.
  struct Findings {
    /// What the batches say of epochs, where all of them were read.
    std::optional<EpochCheck> epochs;
    struct Index {
      std::shared_ptr<Segment> segment;
      IndexFiles anew;
    };
    /// Of sealed segments, indexes that say something else than their batches.
    std::vector<Index> indexes;
    /// Of the active one.
    bool active_index = false;
  };
  io::Task<Result<>> check(Log::Check how, Findings& found);

 private:
  /// The part of a log that a read looks at, as it was at one moment.
  struct Place {
    SegmentRange range;
    Offset next{0};  // where the range ends
    uint32_t generation = 0;
    bool active = false;
    Offset log_start{0}, log_end{0};
    /// Where the batches with the wanted offset and with the bound begin, when that is known.
    std::optional<uint64_t> from, bound;
  };
  Result<Place> place(const ReadRequest& request) const;
  io::Task<Result<ReadResult>> read_at(const ReadRequest& request, Place& place);
  io::Task<Result<uint64_t>> end_of(const ReadRequest& request, const Place& place);
  io::Task<Result<uint64_t>> bound_of(const ReadRequest& request, const Place& place);
  bool changed(const Place& place) const;
  std::vector<SegmentInfo> list() const;
  /// A segment as it was when its check began.
  struct Checked {
    const std::shared_ptr<Segment>& segment;
    uint32_t generation;
    bool sealed;
  };
  void note_index(const Checked& of, IndexFit& fit, Findings& found) const;
  std::vector<SegmentRange> ranges(Offset& start) const;

  LogContext& log_;
};

}  // namespace sluice::storage
