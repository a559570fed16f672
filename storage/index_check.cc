#include "storage/index_check.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "storage/offset_index.h"
#include "storage/time_index.h"

namespace sluice::storage {
namespace {

constexpr size_t kLastEntries = 256;
constexpr size_t kEntriesAtOnce = 8192;

using Misfit = std::optional<std::string>;

/// Goes along the entries of one index.
class EntryCheck {
 public:
  EntryCheck(IndexKind kind, IndexedSegment segment) : kind_(kind), segment_(segment) {}

  Misfit add(const std::byte* bytes) {
    Entry entry;
    if (kind_ == IndexKind::offsets) {
      entry = {.offset = segment_.base + load_be<int32_t>(bytes),
               .value = load_be<uint32_t>(bytes + 4)};
    } else {
      entry = {.offset = segment_.base + load_be<int32_t>(bytes + 8),
               .value = load_be<int64_t>(bytes)};
    }
    if (entry.offset < segment_.base || entry.offset >= segment_.limit)
      return "an entry's offset lies outside of the segment";
    if (kind_ == IndexKind::offsets && entry.value >= static_cast<int64_t>(segment_.bytes))
      return "an entry's position lies behind the segment";
    if (before_ && (entry.offset <= before_->offset || entry.value <= before_->value))
      return "its entries do not grow";
    before_ = entry;
    return std::nullopt;
  }
  /// What the last entry by itself tells.
  Misfit finish() const {
    // Zeros stand where a file lost its content; a lone true entry of time 0 is built again.
    const bool zeros = before_ && before_->offset == segment_.base && before_->value == 0;
    if (kind_ == IndexKind::times && zeros) return "its last entry is zeros";
    return std::nullopt;
  }

 private:
  struct Entry {
    Offset offset{0};
    /// A position or a timestamp.
    int64_t value = 0;
  };
  const IndexKind kind_;
  const IndexedSegment segment_;
  std::optional<Entry> before_;
};

}  // namespace

io::Task<Result<Misfit>> find_misfit(io::Disk& disk, std::string path, uint64_t size,
                                     IndexKind kind, IndexedSegment segment, IndexDepth depth) {
  const size_t entry = kind == IndexKind::offsets ? OffsetIndex::kEntrySize : TimeIndex::kEntrySize;
  if (size % entry != 0)
    co_return "its " + std::to_string(size) + " bytes are no whole number of entries";
  if (size == 0) co_return std::nullopt;
  CO_ASSIGN_OR_RETURN(const auto file, co_await disk.open(std::move(path), io::OpenMode::read));
  const bool whole = depth == IndexDepth::all;
  std::vector<std::byte> chunk(
      std::min<uint64_t>(size, entry * (whole ? kEntriesAtOnce : kLastEntries)));
  EntryCheck check(kind, segment);
  for (uint64_t at = whole ? 0 : size - chunk.size(); at < size; at += chunk.size()) {
    chunk.resize(std::min<uint64_t>(chunk.size(), size - at));
    const auto read = co_await file->read_at(at, chunk, io::Lane::cold);
    if (!read && read.error() == Errc::disk_failed)
      co_return "it cannot be read: " + std::string(read.error().message());
    if (!read) co_return fail(Error(read.error()));
    if (*read < chunk.size()) co_return "it is shorter than its size";
    for (size_t i = 0; i < chunk.size(); i += entry)
      if (auto misfit = check.add(chunk.data() + i)) co_return std::move(misfit);
  }
  co_return check.finish();
}

}  // namespace sluice::storage
