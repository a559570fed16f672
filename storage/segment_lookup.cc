#include "storage/segment_lookup.h"

#include <utility>

namespace sluice::storage {
namespace {

using Found = Result<std::optional<PlacedHeader>>;

}  // namespace

io::Task<Found> find_batch(SegmentRange in, Offset offset, io::Lane lane) {
  CO_ASSIGN_OR_RETURN(const auto index, co_await in.segment->offsets().view());
  CO_ASSIGN_OR_RETURN(auto file, co_await in.segment->file()->open());
  if (const auto entry = index.floor(offset); entry && entry->position < in.bytes) {
    HeaderScan scan(file, entry->position, in.bytes, lane);
    auto batch = co_await scan.next();
    // An index is a cache: where it is wrong the segment is read from its start.
    const bool agrees = batch && (*batch)->header.last_offset() == entry->last_offset;
    while (agrees && batch && *batch && (*batch)->header.last_offset() < offset) {
      batch = co_await scan.next();
    }
    if (agrees && batch) co_return batch;
  }
  HeaderScan scan(std::move(file), 0, in.bytes, lane);
  for (;;) {
    CO_ASSIGN_OR_RETURN(auto batch, co_await scan.next());
    if (!batch || batch->header.last_offset() >= offset) co_return batch;
  }
}

io::Task<Found> find_batch_by_time(SegmentRange in, Offset from, Timestamp at) {
  CO_ASSIGN_OR_RETURN(const auto times, co_await in.segment->times().view());
  if (const auto before = times.before(at)) from = std::max(from, before->offset);
  CO_ASSIGN_OR_RETURN(const auto index, co_await in.segment->offsets().view());
  const auto entry = index.floor(from);
  CO_ASSIGN_OR_RETURN(auto file, co_await in.segment->file()->open());
  HeaderScan scan(std::move(file), entry ? entry->position : 0, in.bytes, io::Lane::cold);
  for (;;) {
    CO_ASSIGN_OR_RETURN(auto batch, co_await scan.next());
    if (!batch) co_return batch;
    if (batch->header.max_timestamp >= at && batch->header.last_offset() >= from) co_return batch;
  }
}

io::Task<Result<OffsetIndex::Entry>> last_boundary(SegmentRange in, uint64_t position,
                                                   uint64_t max_bytes) {
  CO_ASSIGN_OR_RETURN(const auto index, co_await in.segment->offsets().view());
  const auto entry = index.floor_position(position + max_bytes);
  if (!entry || entry->position <= position) {
    co_return OffsetIndex::Entry{.position = static_cast<uint32_t>(position)};
  }
  co_return *entry;
}

}  // namespace sluice::storage
