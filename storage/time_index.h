#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/strong.h"
#include "base/time.h"
#include "storage/mapped_index.h"

namespace sluice::storage {

/// How the largest timestamp of a segment grew: 12-byte entries of a timestamp (i64) and the last
/// offset (relative to the segment's base, i32) of the batch that brought it, both growing: no
/// batch up to that offset has a larger timestamp. As Kafka's `.timeindex`; a sealed segment's last
/// entry is its largest timestamp.
class TimeIndex {
 public:
  static constexpr size_t kEntrySize = 12;

  struct Entry {
    Timestamp timestamp = kNoTimestamp;
    Offset offset{-1};
    bool operator==(const Entry&) const = default;
  };

  TimeIndex(std::shared_ptr<SegmentFile> file, FileCache& cache, Offset base, size_t max_bytes,
            size_t entries);

  class View {
   public:
    size_t size() const { return entries_.size(); }
    Entry operator[](size_t at) const;
    /// The last entry with a timestamp below the given one: no batch up to its offset has it.
    std::optional<Entry> before(Timestamp timestamp) const;
    std::optional<Entry> last() const;

   private:
    friend class TimeIndex;
    View(MappedIndex::View entries, Offset base) : entries_(std::move(entries)), base_(base) {}
    MappedIndex::View entries_;
    Offset base_;
  };

  io::Task<Result<View>> view();

  // The writer's side.

  void append(Entry entry);
  /// Forgets entries at or above `offset`.
  void truncate(const View& view, Offset offset);
  MappedIndex& entries() { return entries_; }
  const MappedIndex& entries() const { return entries_; }

 private:
  const Offset base_;
  MappedIndex entries_;
};

}  // namespace sluice::storage
