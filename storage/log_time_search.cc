#include <algorithm>
#include <utility>
#include <vector>

#include "proto/record/compression.h"
#include "proto/record/records.h"
#include "storage/log_reader.h"

// Lookups by timestamp: the time indexes find the batch, its records tell the offset.
namespace sluice::storage {
namespace {

/// What one batch may inflate to while a record is looked for in it.
constexpr size_t kLargestInflated = 256_MiB;

/// The first record of the batch with a timestamp at or above `at` and an offset at or above
/// `from`; offset -1 when it has none.
io::Task<Result<TimestampOffset>> find_record(std::shared_ptr<io::File> file, PlacedHeader batch,
                                              Offset from, Timestamp at) {
  const record::BatchHeader& header = batch.header;
  if (header.record_count == 0) co_return TimestampOffset{};
  if (header.timestamp_type() == record::TimestampType::log_append_time) {
    co_return TimestampOffset{.offset = std::max(header.base_offset, from),
                              .timestamp = header.max_timestamp};
  }
  std::vector<std::byte> bytes(header.size_in_bytes());
  CO_ASSIGN_OR_RETURN(const size_t read,
                      co_await file->read_at(batch.position, bytes, io::Lane::cold));
  CO_ASSIGN_OR_RETURN(const auto view, record::BatchView::parse(ByteView(bytes).first(read)));
  record::Decompressor decompressor;
  std::vector<std::byte> scratch;
  CO_ASSIGN_OR_RETURN(const auto records,
                      record::records_of(view, decompressor, kLargestInflated, scratch));
  record::RecordReader reader(view.header(), records);
  record::RecordView record;
  for (;;) {
    CO_ASSIGN_OR_RETURN(const bool more, reader.next(record));
    if (!more) co_return TimestampOffset{};
    if (record.timestamp >= at && record.offset >= from) {
      co_return TimestampOffset{.offset = record.offset, .timestamp = record.timestamp};
    }
  }
}

}  // namespace

std::vector<SegmentRange> LogReader::ranges(Offset& start) const {
  auto state = log_.state.lock();
  start = state->start;
  std::vector<SegmentRange> all;
  all.reserve(state->segments->sealed.size() + 1);
  for (const SealedSegment& sealed : state->segments->sealed) {
    all.push_back({.segment = sealed.segment, .bytes = sealed.bytes});
  }
  all.push_back({.segment = state->segments->active, .bytes = state->active_bytes});
  return all;
}

io::Task<Result<TimestampOffset>> LogReader::find_by_time(Timestamp at) {
  Offset start;
  for (const SegmentRange& range : ranges(start)) {
    // A sealed segment's last time entry is its largest timestamp.
    if (range.segment->complete()) {
      CO_ASSIGN_OR_RETURN(const auto times, co_await range.segment->times().view());
      if (const auto last = times.last(); last && last->timestamp < at) continue;
    }
    Offset from = start;
    for (;;) {
      CO_ASSIGN_OR_RETURN(const auto batch, co_await find_batch_by_time(range, from, at));
      if (!batch) break;
      CO_ASSIGN_OR_RETURN(auto file, co_await range.segment->file()->open());
      CO_ASSIGN_OR_RETURN(const auto found,
                          co_await find_record(std::move(file), *batch, start, at));
      if (found.offset.value() >= 0) co_return found;
      from = batch->header.next_offset();
    }
  }
  co_return TimestampOffset{};
}

io::Task<Result<TimestampOffset>> LogReader::find_max_timestamp() {
  CO_ASSIGN_OR_RETURN(const auto all, co_await segments());
  Timestamp largest = kNoTimestamp;
  for (const SegmentInfo& segment : all) largest = std::max(largest, segment.max_timestamp);
  if (largest == kNoTimestamp) co_return TimestampOffset{};
  co_return co_await find_by_time(largest);
}

}  // namespace sluice::storage
