#include "storage/folder_recovery.h"

#include <array>
#include <utility>
#include <vector>

#include "storage/header_scan.h"
#include "storage/producer_state.h"
#include "storage/segment_name.h"

namespace sluice::storage {
namespace {

constexpr size_t kLargestSnapshot = 1_GiB;

io::Task<Result<>> remove_if_there(io::Disk& disk, std::string path) {
  auto removed = co_await disk.remove(std::move(path));
  if (!removed && removed.error() != Errc::file_not_found) co_return removed;
  co_return Result<>{};
}

io::Task<Result<Offset>> last_offset_of(io::Disk& disk, std::string path) {
  CO_ASSIGN_OR_RETURN(std::shared_ptr<io::File> file, co_await disk.open(path, io::OpenMode::read));
  CO_ASSIGN_OR_RETURN(const uint64_t size, file->size());
  HeaderScan scan(file, 0, size, io::Lane::background);
  std::optional<Offset> last;
  for (;;) {
    auto batch = co_await scan.next();
    if (!batch) co_return fail(std::move(batch).error().with_context(path));
    if (!*batch) break;
    last = (*batch)->header.last_offset();
  }
  if (last) co_return *last;
  co_return fail(Errc::corrupt_file, path + ": holds no batch, a compacted segment always does");
}

/// Takes the originals away, then gives the compacted segment their name.
io::Task<Result<>> finish(io::Disk& disk, std::string folder, Offset base,
                          std::vector<SegmentName> originals) {
  const std::string log = segment_path(folder, base, kLogSuffix);
  const std::string swap = log + std::string(kSwapSuffix);
  CO_ASSIGN_OR_RETURN(const Offset last, co_await last_offset_of(disk, swap));
  for (const SegmentName& name : originals) {
    if (name.offset < base || name.offset > last) continue;
    const bool goes = name.offset > base
                          ? name.suffix.find('.', 1) == std::string_view::npos
                          : name.suffix == kIndexSuffix || name.suffix == kTimeIndexSuffix ||
                                name.suffix == kLogSuffix;
    if (goes)
      CO_RETURN_IF_ERROR(
          co_await remove_if_there(disk, segment_path(folder, name.offset, name.suffix)));
  }
  CO_RETURN_IF_ERROR(co_await disk.sync_directory(folder));
  CO_RETURN_IF_ERROR(co_await disk.rename(swap, log));
  co_return co_await disk.sync_directory(folder);
}

/// A snapshot is not synced when it is written: a power cut may have left a part. A whole one is
/// synced now: after the next clean stop it is trusted.
io::Task<Result<>> keep_if_whole(io::Disk& disk, std::string path) {
  auto content = co_await io::read_file(disk, path, kLargestSnapshot);
  const bool whole = content && ProducerState::check_snapshot(*content).has_value();
  const bool torn = !whole && (content || content.error() == Errc::corrupt_file);
  if (!whole && !torn) co_return fail(std::move(content).error());
  if (torn) co_return co_await remove_if_there(disk, std::move(path));
  CO_ASSIGN_OR_RETURN(const auto file, co_await disk.open(std::move(path), io::OpenMode::write));
  co_return co_await file->sync(io::Lane::background);
}

}  // namespace

io::Task<Result<>> settle_folder(io::Disk& disk, std::string folder) {
  CO_ASSIGN_OR_RETURN(const auto entries, co_await disk.list(folder));
  std::vector<SegmentName> originals;
  std::vector<Offset> swaps;
  std::vector<std::string> dropped;
  for (const auto& entry : entries) {
    const auto name = parse_segment_name(entry.name);
    if (!name) continue;
    if (name->suffix.ends_with(kCleanedSuffix) || name->suffix.ends_with(kDeletedSuffix)) {
      CO_RETURN_IF_ERROR(co_await remove_if_there(disk, folder + "/" + entry.name));
    } else if (!name->suffix.ends_with(kSwapSuffix)) {
      if (name->suffix == kSnapshotSuffix)
        CO_RETURN_IF_ERROR(co_await keep_if_whole(disk, folder + "/" + entry.name));
      originals.push_back(*name);
    } else if (name->suffix == std::string(kLogSuffix) + std::string(kSwapSuffix)) {
      swaps.push_back(name->offset);
    } else {
      dropped.push_back(folder + "/" + entry.name);
    }
  }
  for (const Offset base : swaps)
    CO_RETURN_IF_ERROR(co_await finish(disk, folder, base, originals));
  for (std::string& path : dropped)
    CO_RETURN_IF_ERROR(co_await remove_if_there(disk, std::move(path)));
  co_return Result<>{};
}

}  // namespace sluice::storage
