#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/time.h"
#include "proto/record/batch.h"
#include "storage/segment.h"

namespace sluice::storage {

/// The content of a segment's index files.
struct IndexFiles {
  std::vector<std::byte> offsets;
  std::vector<std::byte> times;
};

/// Compares a segment's indexes with its batches, and makes them anew meanwhile.
class IndexFit {
 public:
  IndexFit(Offset base, size_t interval, OffsetIndex::View offsets, TimeIndex::View times)
      : base_(base), interval_(interval), offsets_(std::move(offsets)), times_(std::move(times)) {}

  /// The next batch.
  void add(const record::BatchHeader& batch, uint64_t position);
  /// Every entry that lies before the last batch's end says what is true.
  bool fits() const { return fits_; }
  /// Also nothing lies behind the last batch, and the times end with the largest one, as those of a
  /// sealed segment do; all batches were added.
  bool fits_sealed() const;
  /// As they should be; all batches were added.
  IndexFiles made_anew();

 private:
  void add_time();

  const Offset base_;
  const size_t interval_;
  const OffsetIndex::View offsets_;
  const TimeIndex::View times_;
  size_t next_offset_ = 0;
  size_t next_time_ = 0;
  bool fits_ = true;

  Timestamp largest_ = kNoTimestamp;
  Offset largest_at_{-1};
  Timestamp written_ = kNoTimestamp;
  size_t since_entry_ = 0;
  IndexFiles made_;
};

}  // namespace sluice::storage
