#include "storage/segment.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "storage/segment_name.h"

namespace sluice::storage {
namespace {

std::shared_ptr<SegmentFile> file_of(SegmentSpace& space, Offset base, std::string_view suffix) {
  return std::make_shared<SegmentFile>(space.disk, space.files,
                                       segment_path(space.folder, base, suffix));
}

io::Task<Result<size_t>> entries_in(SegmentSpace& space, Offset base, std::string_view suffix,
                                    size_t entry_size) {
  auto file =
      co_await space.disk.open(segment_path(space.folder, base, suffix), io::OpenMode::read);
  if (!file && file.error() == Errc::file_not_found) co_return 0;
  if (!file) co_return fail(std::move(file).error());
  CO_ASSIGN_OR_RETURN(const uint64_t size, (*file)->size());
  co_return size / entry_size;
}

}  // namespace

Segment::Segment(SegmentSpace& space, Offset base, size_t max_index_bytes, IndexEntries entries)
    : base_(base),
      file_(file_of(space, base, kLogSuffix)),
      offsets_(file_of(space, base, kIndexSuffix), space.maps, base, max_index_bytes,
               entries.offsets),
      times_(file_of(space, base, kTimeIndexSuffix), space.maps, base, max_index_bytes,
             entries.times) {}

io::Task<Result<std::shared_ptr<Segment>>> open_segment(SegmentSpace& space, Offset base,
                                                        size_t max_index_bytes) {
  Segment::IndexEntries entries;
  CO_ASSIGN_OR_RETURN(entries.offsets,
                      co_await entries_in(space, base, kIndexSuffix, OffsetIndex::kEntrySize));
  CO_ASSIGN_OR_RETURN(entries.times,
                      co_await entries_in(space, base, kTimeIndexSuffix, TimeIndex::kEntrySize));
  co_return std::make_shared<Segment>(space, base, max_index_bytes, entries);
}

io::Task<Result<>> Segment::pin() {
  CO_RETURN_IF_ERROR(co_await file_->pin());
  CO_RETURN_IF_ERROR(co_await offsets_.entries().file()->pin());
  co_return co_await times_.entries().file()->pin();
}

size_t SegmentList::find(Offset offset) const {
  if (offset >= active->base()) return sealed.size();
  const auto above = std::upper_bound(
      sealed.begin(), sealed.end(), offset,
      [](Offset at, const SealedSegment& segment) { return at < segment.segment->base(); });
  return above == sealed.begin() ? 0 : static_cast<size_t>(above - sealed.begin()) - 1;
}

uint64_t SegmentList::sealed_bytes() const {
  return std::accumulate(
      sealed.begin(), sealed.end(), uint64_t{0},
      [](uint64_t sum, const SealedSegment& segment) { return sum + segment.bytes; });
}

}  // namespace sluice::storage
