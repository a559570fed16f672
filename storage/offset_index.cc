#include "storage/offset_index.h"

#include <array>
#include <utility>

namespace sluice::storage {

OffsetIndex::OffsetIndex(std::shared_ptr<SegmentFile> file, FileCache& cache, Offset base,
                         size_t max_bytes, size_t entries)
    : base_(base),
      entries_(std::move(file), cache,
               {.entry_size = kEntrySize,
                .max_bytes = max_bytes / kEntrySize * kEntrySize,
                .entries = entries}) {}

OffsetIndex::Entry OffsetIndex::View::operator[](size_t at) const {
  const std::byte* entry = entries_[at];
  return {.last_offset = base_ + load_be<int32_t>(entry), .position = load_be<uint32_t>(entry + 4)};
}

std::optional<OffsetIndex::Entry> OffsetIndex::View::floor(Offset offset) const {
  const int64_t relative = offset - base_;
  const size_t above = entries_.partition_point(
      [&](const std::byte* entry) { return load_be<int32_t>(entry) <= relative; });
  if (above == 0) return std::nullopt;
  return (*this)[above - 1];
}

std::optional<OffsetIndex::Entry> OffsetIndex::View::ceiling(Offset offset) const {
  const int64_t relative = offset - base_;
  const size_t at = entries_.partition_point(
      [&](const std::byte* entry) { return load_be<int32_t>(entry) < relative; });
  if (at == size()) return std::nullopt;
  return (*this)[at];
}

std::optional<OffsetIndex::Entry> OffsetIndex::View::floor_position(uint64_t position) const {
  const size_t above = entries_.partition_point(
      [&](const std::byte* entry) { return load_be<uint32_t>(entry + 4) <= position; });
  if (above == 0) return std::nullopt;
  return (*this)[above - 1];
}

std::optional<OffsetIndex::Entry> OffsetIndex::View::last() const {
  if (size() == 0) return std::nullopt;
  return (*this)[size() - 1];
}

io::Task<Result<OffsetIndex::View>> OffsetIndex::view() {
  auto task = entries_.view();
  if (!task.is_ready()) return view_slowly();
  auto entries = task.await_resume();
  if (!entries) return io::Task<Result<View>>::ready(fail(std::move(entries).error()));
  return io::Task<Result<View>>::ready(View(std::move(*entries), base_));
}

io::Task<Result<OffsetIndex::View>> OffsetIndex::view_slowly() {
  CO_ASSIGN_OR_RETURN(auto entries, co_await entries_.view());
  co_return View(std::move(entries), base_);
}

void OffsetIndex::append(Entry entry) {
  std::array<std::byte, kEntrySize> bytes;
  store_be(bytes.data(), static_cast<int32_t>(entry.last_offset - base_));
  store_be(bytes.data() + 4, entry.position);
  entries_.append(bytes);
}

void OffsetIndex::truncate(const View& view, uint64_t position) {
  entries_.truncate(view.entries_.partition_point(
      [&](const std::byte* entry) { return load_be<uint32_t>(entry + 4) < position; }));
}

}  // namespace sluice::storage
