#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/strong.h"
#include "storage/mapped_index.h"

namespace sluice::storage {

/// Where batches lie in a segment, one in every few KiB: 8-byte entries of the batch's last offset
/// (relative to the segment's base, i32) and its position (i32), both big-endian and growing. As
/// Kafka's `.index`. Sparse: a lookup floors, then the caller scans batch headers.
class OffsetIndex {
 public:
  static constexpr size_t kEntrySize = 8;

  struct Entry {
    Offset last_offset{-1};
    uint32_t position = 0;
    bool operator==(const Entry&) const = default;
  };

  /// `entries`: those in the file already.
  OffsetIndex(std::shared_ptr<SegmentFile> file, FileCache& cache, Offset base, size_t max_bytes,
              size_t entries);

  class View {
   public:
    size_t size() const { return entries_.size(); }
    Entry operator[](size_t at) const;
    /// The last entry with an offset at or below the given one.
    std::optional<Entry> floor(Offset offset) const;
    /// The first entry with an offset at or above the given one.
    std::optional<Entry> ceiling(Offset offset) const;
    /// The last entry at or before the position.
    std::optional<Entry> floor_position(uint64_t position) const;
    std::optional<Entry> last() const;

   private:
    friend class OffsetIndex;
    View(MappedIndex::View entries, Offset base) : entries_(std::move(entries)), base_(base) {}
    MappedIndex::View entries_;
    Offset base_;
  };

  io::Task<Result<View>> view();

  // The writer's side.

  void append(Entry entry);
  /// Forgets entries of batches at or behind `position`.
  void truncate(const View& view, uint64_t position);
  MappedIndex& entries() { return entries_; }
  const MappedIndex& entries() const { return entries_; }

 private:
  io::Task<Result<View>> view_slowly();
  const Offset base_;
  MappedIndex entries_;
};

}  // namespace sluice::storage
