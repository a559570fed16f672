#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "proto/record/batch.h"
#include "storage/options.h"
#include "storage/segment.h"

namespace sluice::storage {

/// The segment that is appended to: what only its one writer needs. Readers see segment().
class ActiveSegment {
 public:
  /// Makes the file, which must not hold anything.
  static io::Task<Result<ActiveSegment>> create(SegmentSpace& space, Offset base,
                                                size_t max_index_bytes);
  /// Goes on with a segment whose indexes agree with its first `bytes`; reads the headers that lie
  /// behind the last index entry. corrupt_batch when those are not batches.
  static io::Task<Result<ActiveSegment>> resume(std::shared_ptr<Segment> segment, uint64_t bytes);

  ActiveSegment(ActiveSegment&&) = default;
  ActiveSegment& operator=(ActiveSegment&&) = default;

  const std::shared_ptr<Segment>& segment() const { return segment_; }
  uint64_t bytes() const { return bytes_; }
  /// Behind the last batch; the base while it is empty.
  Offset next() const { return next_; }
  /// The largest timestamp and the last offset of the batch that has it.
  TimeIndex::Entry max_timestamp() const {
    return {.timestamp = max_timestamp_, .offset = max_timestamp_offset_};
  }

  /// Whether the batch belongs in here or needs a segment of its own (Kafka's rules: size,
  /// segment.ms by the batches' timestamps, index full, offset too far from the base). `behind`:
  /// bytes that are going to be written before it.
  bool has_room(const record::BatchHeader& batch, uint64_t behind, const LogOptions& options) const;

  /// Writes behind the last batch, without counting it in. On an error any part may be in the file.
  io::Task<Result<>> write(std::span<const ByteView> parts, io::Lane lane);
  /// Counts in a batch that was written at bytes(). True when an index tail is full: it is to be
  /// written before the next.
  [[nodiscard]] bool count_in(const record::BatchHeader& batch, const LogOptions& options);
  /// Writes full index tails. While one cannot be written its index takes no entries: it is then
  /// sparser.
  io::Task<void> flush_index_tails();

  /// Forgets everything from `position` on, a batch boundary with the offset `next`; readers were
  /// told before. The file is cut.
  io::Task<Result<>> truncate(uint64_t position, Offset next);
  /// Cuts the file back to bytes() after a failed write.
  io::Task<Result<>> cut_back();
  /// Writes the index tails and the closing time entry, trims all files.
  io::Task<Result<>> finish();

 private:
  ActiveSegment(std::shared_ptr<Segment> segment, Offset next)
      : segment_(std::move(segment)), next_(next) {}
  io::Task<Result<>> scan_tail();
  void add_time_entry();

  std::shared_ptr<Segment> segment_;
  uint64_t bytes_ = 0;
  Offset next_{0};
  uint64_t since_entry_ = 0;  // bytes since the last index entry
  Timestamp first_timestamp_ = kNoTimestamp;
  Timestamp max_timestamp_ = kNoTimestamp;
  Offset max_timestamp_offset_{-1};
  Timestamp indexed_timestamp_ = kNoTimestamp;
};

/// Trims the segment and closes it for appends. It is consumed only on success; the reference must
/// outlive the task.
io::Task<Result<SealedSegment>> seal(ActiveSegment&& segment);

}  // namespace sluice::storage
