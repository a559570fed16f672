#include "storage/cleaned_segment.h"

#include <array>
#include <span>
#include <utility>

#include "proto/record/batch.h"
#include "storage/folder_recovery.h"
#include "storage/segment_name.h"

namespace sluice::storage {
namespace {

constexpr size_t kPendingIndexBytes = 16_KiB;
/// In the order of their renames: who finds the log in place may count on the indexes.
constexpr std::array kParts = {kIndexSuffix, kTimeIndexSuffix, kLogSuffix};

template <class T>
void put(std::vector<std::byte>& out, T value) {
  out.resize(out.size() + sizeof(T));
  store_be(out.data() + out.size() - sizeof(T), value);
}

}  // namespace

io::Task<Result<>> CleanedSegment::Part::write(ByteView more) {
  CO_RETURN_IF_ERROR(co_await file->write_at(bytes, std::span(&more, 1), io::Lane::background));
  bytes += more.size();
  co_return Result<>{};
}

io::Task<Result<>> CleanedSegment::Part::flush() {
  if (pending.empty()) co_return Result<>{};
  CO_RETURN_IF_ERROR(co_await write(pending));
  pending.clear();
  co_return Result<>{};
}

io::Task<Result<CleanedSegment>> CleanedSegment::create(io::Disk& disk, std::string folder,
                                                        Offset base, size_t index_interval_bytes) {
  CleanedSegment made(disk, base, index_interval_bytes);
  const std::array<std::pair<Part*, std::string_view>, 3> parts = {
      {{&made.log_, kLogSuffix}, {&made.offsets_, kIndexSuffix}, {&made.times_, kTimeIndexSuffix}}};
  for (const auto& [part, suffix] : parts) {
    part->path = segment_path(folder, base, suffix) + std::string(kCleanedSuffix);
    CO_ASSIGN_OR_RETURN(part->file, co_await disk.open(part->path, io::OpenMode::create));
    CO_RETURN_IF_ERROR(co_await part->file->truncate(0));  // what an earlier attempt left
  }
  co_return made;
}

io::Task<Result<>> CleanedSegment::append(ByteView batches) {
  index(batches);
  CO_RETURN_IF_ERROR(co_await log_.write(batches));
  for (Part* part : {&offsets_, &times_})
    if (part->pending.size() >= kPendingIndexBytes) CO_RETURN_IF_ERROR(co_await part->flush());
  co_return Result<>{};
}

void CleanedSegment::index(ByteView batches) {
  record::BatchCursor cursor(batches);
  for (size_t at = 0;; at = cursor.position()) {
    const auto batch = cursor.next();
    CHECK(batch.has_value(), "compaction writes batches");
    if (!*batch) break;
    const auto& header = (*batch)->header();
    if (header.record_count > 0 && header.max_timestamp > max_timestamp_) {
      max_timestamp_ = header.max_timestamp;
      max_timestamp_offset_ = header.last_offset();
    }
    if (since_entry_ > index_interval_bytes_) {
      put(offsets_.pending, static_cast<int32_t>(header.last_offset() - base_));
      put(offsets_.pending, static_cast<int32_t>(log_.bytes + at));
      add_time_entry();
      since_entry_ = 0;
    }
    since_entry_ += header.size_in_bytes();
  }
}

void CleanedSegment::add_time_entry() {
  if (max_timestamp_ <= indexed_timestamp_) return;
  put(times_.pending, max_timestamp_.value());
  put(times_.pending, static_cast<int32_t>(max_timestamp_offset_ - base_));
  indexed_timestamp_ = max_timestamp_;
}

io::Task<Result<>> CleanedSegment::finish() {
  add_time_entry();
  for (Part* part : {&offsets_, &times_, &log_}) {
    CO_RETURN_IF_ERROR(co_await part->flush());
    CO_RETURN_IF_ERROR(co_await part->file->sync(io::Lane::background));
  }
  co_return Result<>{};
}

io::Task<void> CleanedSegment::discard() {
  // What cannot be removed is removed at the next start.
  for (Part* part : {&offsets_, &times_, &log_})
    static_cast<void>(co_await disk_->remove(part->path));
}

io::Task<Result<std::vector<std::string>>> swap_in(io::Disk& disk, std::string folder,
                                                   std::vector<Offset> old) {
  const Offset base = old.front();
  const auto renamed = [&](std::string_view suffix, std::string_view from, std::string_view to) {
    const std::string path = segment_path(folder, base, suffix);
    return disk.rename(path + std::string(from), path + std::string(to));
  };
  for (const auto suffix : kParts)
    CO_RETURN_IF_ERROR(co_await renamed(suffix, kCleanedSuffix, kSwapSuffix));
  CO_RETURN_IF_ERROR(co_await disk.sync_directory(folder));

  std::vector<std::string> deleted;
  for (const Offset gone : old) {
    for (const auto suffix :
         {kLogSuffix, kIndexSuffix, kTimeIndexSuffix, kAbortedIndexSuffix, kSnapshotSuffix}) {
      // The first segment's place stays, and what belongs to the place.
      if (gone == base && (suffix == kAbortedIndexSuffix || suffix == kSnapshotSuffix)) continue;
      std::string path = segment_path(folder, gone, suffix);
      std::string waiting = path + std::string(kDeletedSuffix);
      const auto moved = co_await disk.rename(std::move(path), waiting);
      if (moved) {
        deleted.push_back(std::move(waiting));
      } else if (moved.error() != Errc::file_not_found) {
        co_return fail(Error(moved.error()));
      }
    }
  }
  CO_RETURN_IF_ERROR(co_await disk.sync_directory(folder));
  for (const auto suffix : kParts) CO_RETURN_IF_ERROR(co_await renamed(suffix, kSwapSuffix, ""));
  CO_RETURN_IF_ERROR(co_await disk.sync_directory(folder));
  co_return deleted;
}

}  // namespace sluice::storage
