#include "storage/inspector.h"

#include <algorithm>

#include "storage/offset_index.h"
#include "storage/time_index.h"

namespace sluice::storage {
namespace {

constexpr size_t kLargestIndex = 1_GiB;

std::string text(Offset offset) { return std::to_string(offset.value()); }

/// Kafka allocates the indexes of its active segment ahead, as zeros.
bool is_blank(ByteView entry) {
  return std::ranges::all_of(entry, [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

void SegmentInspector::problem(const std::string& path, const std::string& what) {
  ++counts_.problems;
  if (sink_.on_problem) sink_.on_problem(path, what);
}

void SegmentInspector::file(const std::string& path, uint64_t bytes) {
  ++counts_.files;
  counts_.bytes += bytes;
  if (sink_.on_file) sink_.on_file(path, bytes);
}

io::Task<Result<std::vector<std::byte>>> SegmentInspector::load(std::string path,
                                                                size_t entry_size) {
  auto content = co_await io::read_file(disk_, path, kLargestIndex);
  if (!content) {
    if (content.error() == Errc::file_not_found) co_return std::vector<std::byte>{};
    co_return fail(std::move(content).error());
  }
  file(path, content->size());
  if (content->size() % entry_size != 0) {
    problem(path, "has " + std::to_string(content->size()) + " bytes, no multiple of " +
                      std::to_string(entry_size));
    content->resize(content->size() / entry_size * entry_size);
  }
  while (!content->empty() && is_blank(ByteView(*content).last(entry_size)))
    content->resize(content->size() - entry_size);
  counts_.index_entries += content->size() / entry_size;
  co_return std::move(*content);
}

io::Task<Result<>> SegmentInspector::load_offsets(std::string path, Offset base) {
  offsets_.clear();
  next_offset_entry_ = 0;
  CO_ASSIGN_OR_RETURN(const auto content, co_await load(path, OffsetIndex::kEntrySize));
  for (size_t at = 0; at < content.size(); at += OffsetIndex::kEntrySize) {
    const OffsetEntry entry{base + load_be<int32_t>(&content[at]),
                            load_be<uint32_t>(&content[at + 4])};
    if (sink_.on_entry)
      sink_.on_entry({.path = path, .offset = entry.last_offset, .position = entry.position});
    if (!offsets_.empty() && (entry.last_offset <= offsets_.back().last_offset ||
                              entry.position <= offsets_.back().position)) {
      problem(path, "entry " + std::to_string(offsets_.size()) + " does not grow");
    }
    offsets_.push_back(entry);
  }
  co_return Result<>{};
}

io::Task<Result<>> SegmentInspector::load_times(std::string path, Offset base) {
  times_.clear();
  next_time_entry_ = 0;
  CO_ASSIGN_OR_RETURN(const auto content, co_await load(path, TimeIndex::kEntrySize));
  for (size_t at = 0; at < content.size(); at += TimeIndex::kEntrySize) {
    const TimeEntry entry{Timestamp(load_be<int64_t>(&content[at])),
                          base + load_be<int32_t>(&content[at + 8])};
    if (sink_.on_entry)
      sink_.on_entry({.path = path, .offset = entry.offset, .timestamp = entry.timestamp});
    if (!times_.empty() &&
        (entry.timestamp <= times_.back().timestamp || entry.offset <= times_.back().offset)) {
      problem(path, "entry " + std::to_string(times_.size()) + " does not grow");
    }
    times_.push_back(entry);
  }
  co_return Result<>{};
}

io::Task<Result<>> SegmentInspector::inspect_index(std::string path, Offset base, bool of_times) {
  return of_times ? load_times(std::move(path), base) : load_offsets(std::move(path), base);
}

io::Task<Result<Offset>> SegmentInspector::inspect(std::string folder, Offset base, bool sealed,
                                                   const LeaderEpochs* epochs) {
  CO_RETURN_IF_ERROR(co_await load_offsets(segment_path(folder, base, kIndexSuffix), base));
  CO_RETURN_IF_ERROR(co_await load_times(segment_path(folder, base, kTimeIndexSuffix), base));
  const std::string path = segment_path(folder, base, kLogSuffix);
  CO_ASSIGN_OR_RETURN(std::shared_ptr<io::File> log, co_await disk_.open(path, io::OpenMode::read));
  CO_ASSIGN_OR_RETURN(const uint64_t size, log->size());
  file(path, size);
  Offset next = base;
  Timestamp largest = kNoTimestamp;
  BatchReader reader(log, size, memory_);
  for (;;) {
    const auto run = co_await reader.next();
    if (!run) {
      if (run.error() != Errc::corrupt_batch && run.error() != Errc::invalid_record)
        co_return fail(Error(run.error()));
      problem(path, std::string(run.error().message()));
      break;
    }
    if (run->empty()) break;
    record::BatchCursor cursor(*run);
    for (uint64_t at = 0;; at = cursor.position()) {
      const auto found = cursor.next();
      if (!found || !*found) break;
      const auto& header = (*found)->header();
      if (header.base_offset < next) {
        problem(path, "offset " + text(header.base_offset) + " where " + text(next) +
                          " is the next, at byte " + std::to_string(reader.position() + at));
      } else if (header.base_offset > next) {
        ++counts_.gaps;
        if (options_.dense)
          problem(path,
                  "no batch covers offsets " + text(next) + " to " + text(header.base_offset - 1));
      }
      next = std::max(next, header.next_offset());
      if (header.record_count > 0) largest = std::max(largest, header.max_timestamp);
      batch(
          **found,
          {.path = path, .position = reader.position() + at, .largest = largest, .epochs = epochs});
    }
  }
  if (options_.verify) check_ends(path, sealed, largest);
  co_return next;
}

void SegmentInspector::batch(const record::BatchView& batch, const Place& place) {
  ++counts_.batches;
  const auto& header = batch.header();
  InspectedBatch shown{
      .path = place.path, .position = place.position, .header = header, .crc_ok = std::nullopt};
  if (options_.verify) {
    shown.crc_ok = batch.crc_matches();
    if (!*shown.crc_ok) {
      problem(place.path, "the batch at byte " + std::to_string(place.position) + ", offset " +
                              text(header.base_offset) + ", fails its checksum");
    }
    compare_indexes(header, place);
    if (place.epochs != nullptr && !place.epochs->empty() &&
        place.epochs->epoch_at(header.base_offset).value_or(header.leader_epoch) !=
            header.leader_epoch) {
      problem(place.path, "offset " + text(header.base_offset) + " carries leader epoch " +
                              std::to_string(header.leader_epoch.value()) + ", " +
                              kLeaderEpochFile + " says otherwise");
    }
  }
  if (sink_.on_batch) sink_.on_batch(shown);
  if (options_.records || options_.verify) {
    records(batch, shown);
  } else {
    counts_.records += static_cast<uint64_t>(header.record_count);
  }
}

void SegmentInspector::records(const record::BatchView& batch, const InspectedBatch& where) {
  const auto bad = [&](const Error& error) {
    problem(where.path, "the records of the batch at byte " + std::to_string(where.position) +
                            " do not decode: " + std::string(error.message()));
  };
  if (batch.header().record_count == 0) return;
  const auto payload = source_.records(batch);
  if (!payload) return bad(payload.error());
  record::RecordReader reader(batch.header(), *payload);
  record::RecordView record;
  for (;;) {
    const auto more = reader.next(record);
    if (!more) return bad(more.error());
    if (!*more) return;
    ++counts_.records;
    if (options_.records && sink_.on_record) sink_.on_record(where, record);
  }
}

void SegmentInspector::compare_indexes(const record::BatchHeader& header, const Place& place) {
  while (next_offset_entry_ < offsets_.size() &&
         offsets_[next_offset_entry_].position <= place.position) {
    const auto& entry = offsets_[next_offset_entry_++];
    if (entry.position != place.position || entry.last_offset != header.last_offset()) {
      problem(place.path, "the index points to byte " + std::to_string(entry.position) +
                              " for offset " + text(entry.last_offset) + "; there is none");
    }
  }
  while (next_time_entry_ < times_.size() &&
         times_[next_time_entry_].offset <= header.last_offset()) {
    const auto& entry = times_[next_time_entry_++];
    if (entry.offset < header.base_offset || entry.timestamp != place.largest) {
      problem(place.path, "the time index has timestamp " +
                              std::to_string(entry.timestamp.value()) + " at offset " +
                              text(entry.offset) + ", the largest until there is " +
                              std::to_string(place.largest.value()));
    }
  }
}

void SegmentInspector::check_ends(const std::string& log_path, bool sealed, Timestamp largest) {
  if (next_offset_entry_ < offsets_.size())
    problem(log_path, "the index points behind the segment's end");
  if (next_time_entry_ < times_.size())
    problem(log_path, "the time index points behind the segment's end");
  if (!sealed || largest == kNoTimestamp) return;
  if (times_.empty() || times_.back().timestamp != largest)
    problem(log_path, "the last entry of the time index is not the segment's largest timestamp");
}

}  // namespace sluice::storage
