#include "storage/active_segment.h"

#include <limits>
#include <utility>

#include "storage/header_scan.h"

namespace sluice::storage {
namespace {

constexpr int64_t kMaxRelativeOffset = std::numeric_limits<int32_t>::max();

}  // namespace

io::Task<Result<ActiveSegment>> ActiveSegment::create(SegmentSpace& space, Offset base,
                                                      size_t max_index_bytes) {
  auto segment = std::make_shared<Segment>(space, base, max_index_bytes, Segment::IndexEntries{});
  CO_ASSIGN_OR_RETURN(auto file, co_await segment->file()->create());
  CO_ASSIGN_OR_RETURN(const uint64_t size, file->size());
  if (size > 0) {
    co_return fail(Errc::file_exists, file->path() + " holds data that the log does not know");
  }
  co_return ActiveSegment(std::move(segment), base);
}

io::Task<Result<ActiveSegment>> ActiveSegment::resume(std::shared_ptr<Segment> segment,
                                                      uint64_t bytes) {
  const Offset base = segment->base();
  segment->set_complete(false);
  segment->set_synced(false);
  ActiveSegment active(std::move(segment), base);
  active.bytes_ = bytes;
  CO_RETURN_IF_ERROR(co_await active.scan_tail());
  co_return active;
}

io::Task<Result<>> ActiveSegment::scan_tail() {
  since_entry_ = 0;
  first_timestamp_ = max_timestamp_ = indexed_timestamp_ = kNoTimestamp;
  max_timestamp_offset_ = Offset(-1);
  next_ = segment_->base();
  if (bytes_ == 0) co_return {};
  CO_ASSIGN_OR_RETURN(auto file, co_await segment_->file()->open());
  HeaderScan first(file, 0, bytes_, io::Lane::cold);
  CO_ASSIGN_OR_RETURN(auto first_batch, co_await first.next());
  first_timestamp_ = first_batch->header.max_timestamp;
  CO_ASSIGN_OR_RETURN(auto times, co_await segment_->times().view());
  if (auto entry = times.last()) {
    max_timestamp_ = indexed_timestamp_ = entry->timestamp;
    max_timestamp_offset_ = entry->offset;
  }
  CO_ASSIGN_OR_RETURN(auto offsets, co_await segment_->offsets().view());
  const auto entry = offsets.last();
  HeaderScan scan(file, entry ? entry->position : 0, bytes_, io::Lane::cold);
  for (;;) {
    CO_ASSIGN_OR_RETURN(auto batch, co_await scan.next());
    if (!batch) break;
    if (batch->header.record_count > 0 && batch->header.max_timestamp > max_timestamp_) {
      max_timestamp_ = batch->header.max_timestamp;
      max_timestamp_offset_ = batch->header.last_offset();
    }
    next_ = batch->header.next_offset();
    since_entry_ += batch->header.size_in_bytes();
  }
  co_return {};
}

bool ActiveSegment::has_room(const record::BatchHeader& batch, uint64_t behind,
                             const LogOptions& options) const {
  if (batch.last_offset() - segment_->base() > kMaxRelativeOffset) return false;
  const uint64_t used = bytes_ + behind;
  if (used == 0) return true;
  if (used + batch.size_in_bytes() > options.segment_bytes) return false;
  if (first_timestamp_.value() >= 0 && batch.max_timestamp.value() >= 0 &&
      batch.max_timestamp - first_timestamp_ > options.segment_ms.count()) {
    return false;
  }
  return !segment_->offsets().entries().full() && !segment_->times().entries().full();
}

io::Task<Result<>> ActiveSegment::write(std::span<const ByteView> parts, io::Lane lane) {
  CO_ASSIGN_OR_RETURN(auto file, co_await segment_->file()->open());
  auto written = co_await file->write_at(bytes_, parts, lane);
  // Behind the write: a sync that began before it does not cover it.
  segment_->file()->set_unsynced(true);
  co_return written;
}

bool ActiveSegment::count_in(const record::BatchHeader& batch, const LogOptions& options) {
  if (bytes_ == 0) first_timestamp_ = batch.max_timestamp;
  // What compaction left without records has no timestamp that a lookup could lead to.
  if (batch.record_count > 0 && batch.max_timestamp > max_timestamp_) {
    max_timestamp_ = batch.max_timestamp;
    max_timestamp_offset_ = batch.last_offset();
  }
  const MappedIndex& offsets = segment_->offsets().entries();
  if (since_entry_ > options.index_interval_bytes && !offsets.full() && !offsets.needs_flush()) {
    segment_->offsets().append(
        {.last_offset = batch.last_offset(), .position = static_cast<uint32_t>(bytes_)});
    add_time_entry();
    since_entry_ = 0;
  }
  bytes_ += batch.size_in_bytes();
  since_entry_ += batch.size_in_bytes();
  next_ = batch.next_offset();
  return segment_->offsets().entries().needs_flush() || segment_->times().entries().needs_flush();
}

void ActiveSegment::add_time_entry() {
  if (max_timestamp_ <= indexed_timestamp_ || segment_->times().entries().needs_flush()) return;
  segment_->times().append({.timestamp = max_timestamp_, .offset = max_timestamp_offset_});
  indexed_timestamp_ = max_timestamp_;
}

io::Task<void> ActiveSegment::flush_index_tails() {
  for (MappedIndex* index : {&segment_->offsets().entries(), &segment_->times().entries()}) {
    // The next batch tries again; till then the tail is kept and takes no more.
    if (index->needs_flush()) static_cast<void>(co_await index->flush(io::Lane::hot));
  }
}

io::Task<Result<>> ActiveSegment::truncate(uint64_t position, Offset next) {
  CO_ASSIGN_OR_RETURN(auto offsets, co_await segment_->offsets().view());
  segment_->offsets().truncate(offsets, position);
  CO_ASSIGN_OR_RETURN(auto times, co_await segment_->times().view());
  segment_->times().truncate(times, next);
  bytes_ = position;
  CO_RETURN_IF_ERROR(co_await cut_back());
  CO_RETURN_IF_ERROR(co_await scan_tail());
  next_ = next;
  co_return {};
}

io::Task<Result<>> ActiveSegment::cut_back() {
  CO_ASSIGN_OR_RETURN(auto file, co_await segment_->file()->open());
  co_return co_await file->truncate(bytes_);
}

io::Task<Result<>> ActiveSegment::finish() {
  MappedIndex& times = segment_->times().entries();
  if (times.needs_flush()) CO_RETURN_IF_ERROR(co_await times.flush(io::Lane::background));
  // Kafka's closing entry, so that the last one is the segment's largest timestamp.
  add_time_entry();
  CO_RETURN_IF_ERROR(co_await segment_->offsets().entries().seal(io::Lane::background));
  CO_RETURN_IF_ERROR(co_await times.seal(io::Lane::background));
  co_return co_await cut_back();
}

io::Task<Result<SealedSegment>> seal(ActiveSegment&& segment) {
  segment.segment()->set_complete(true);
  segment.segment()->set_synced(false);
  if (auto finished = co_await segment.finish(); !finished) {
    segment.segment()->set_complete(false);
    co_return fail(std::move(finished).error());
  }
  co_return SealedSegment{
      .segment = segment.segment(), .bytes = segment.bytes(), .next = segment.next()};
}

}  // namespace sluice::storage
