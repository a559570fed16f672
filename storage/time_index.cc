#include "storage/time_index.h"

#include <array>
#include <utility>

namespace sluice::storage {

TimeIndex::TimeIndex(std::shared_ptr<SegmentFile> file, FileCache& cache, Offset base,
                     size_t max_bytes, size_t entries)
    : base_(base),
      entries_(std::move(file), cache,
               {.entry_size = kEntrySize,
                .max_bytes = max_bytes / kEntrySize * kEntrySize,
                .entries = entries}) {}

TimeIndex::Entry TimeIndex::View::operator[](size_t at) const {
  const std::byte* entry = entries_[at];
  return {.timestamp = Timestamp(load_be<int64_t>(entry)),
          .offset = base_ + load_be<int32_t>(entry + 8)};
}

std::optional<TimeIndex::Entry> TimeIndex::View::before(Timestamp timestamp) const {
  const size_t at = entries_.partition_point(
      [&](const std::byte* entry) { return load_be<int64_t>(entry) < timestamp.value(); });
  if (at == 0) return std::nullopt;
  return (*this)[at - 1];
}

std::optional<TimeIndex::Entry> TimeIndex::View::last() const {
  if (size() == 0) return std::nullopt;
  return (*this)[size() - 1];
}

io::Task<Result<TimeIndex::View>> TimeIndex::view() {
  CO_ASSIGN_OR_RETURN(auto entries, co_await entries_.view());
  co_return View(std::move(entries), base_);
}

void TimeIndex::append(Entry entry) {
  std::array<std::byte, kEntrySize> bytes;
  store_be(bytes.data(), entry.timestamp.value());
  store_be(bytes.data() + 8, static_cast<int32_t>(entry.offset - base_));
  entries_.append(bytes);
}

void TimeIndex::truncate(const View& view, Offset offset) {
  const auto relative = offset - base_;
  entries_.truncate(view.entries_.partition_point(
      [&](const std::byte* entry) { return load_be<int32_t>(entry + 8) < relative; }));
}

}  // namespace sluice::storage
