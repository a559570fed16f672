#include "storage/producer_replay.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/header_scan.h"
#include "storage/segment_name.h"

namespace sluice::storage {
namespace {

constexpr size_t kLargestSnapshot = 256_MiB;

/// The offsets of all snapshots in the folder, ascending.
io::Task<Result<std::vector<Offset>>> list_snapshots(LogContext& log) {
  CO_ASSIGN_OR_RETURN(const auto entries, co_await log.ports.disk.list(log.folder()));
  std::vector<Offset> offsets;
  for (const auto& entry : entries) {
    const auto name = parse_segment_name(entry.name);
    if (name && name->suffix == kSnapshotSuffix) offsets.push_back(name->offset);
  }
  std::sort(offsets.begin(), offsets.end());
  co_return offsets;
}

io::Task<Result<>> load(LogContext& log, std::string path, ProducerState& producers) {
  CO_ASSIGN_OR_RETURN(const auto content,
                      co_await io::read_file(log.ports.disk, std::move(path), kLargestSnapshot));
  co_return producers.load_snapshot(content);
}

/// Loads the newest snapshot that reads well; where it stands, or the log's first offset.
io::Task<Result<Offset>> load_snapshot(LogContext& log, Offset first, Offset end,
                                       ProducerState& producers) {
  CO_ASSIGN_OR_RETURN(auto offsets, co_await list_snapshots(log));
  bool removed = false;
  Offset from = first;
  for (; !offsets.empty(); offsets.pop_back()) {
    const std::string path = segment_path(log.folder(), offsets.back(), kSnapshotSuffix);
    if (offsets.back() <= end) {
      const auto loaded = co_await load(log, path, producers);
      if (loaded) {
        from = offsets.back();
        break;
      }
      log.ports.log.warning("producer snapshot not used, the log is read instead",
                            {{"path", path}, {"cause", loaded.error().message()}});
      // What there was no memory for, or the disk did not give, is no worse for it.
      if (!(loaded.error() == Errc::corrupt_file)) continue;
    }
    CO_RETURN_IF_ERROR(co_await log.ports.disk.remove(path));
    removed = true;
  }
  // One from above the end must not come back when the log has grown past it with other batches.
  if (removed) CO_RETURN_IF_ERROR(co_await log.ports.disk.sync_directory(log.folder()));
  co_return from;
}

io::Task<Result<>> replay_segment(std::shared_ptr<Segment> segment, uint64_t bytes, Offset from,
                                  ProducerState& producers) {
  CO_ASSIGN_OR_RETURN(auto offsets, co_await segment->offsets().view());
  const auto entry = offsets.floor(from);
  CO_ASSIGN_OR_RETURN(auto file, co_await segment->file()->open());
  HeaderScan scan(std::move(file), entry ? entry->position : 0, bytes, io::Lane::cold);
  for (;;) {
    CO_ASSIGN_OR_RETURN(const auto batch, co_await scan.next());
    if (!batch) co_return {};
    if (batch->header.base_offset >= from) producers.replay(batch->header);
  }
}

}  // namespace

io::Task<Result<>> replay_producers(LogContext& log, std::shared_ptr<const SegmentList> segments,
                                    uint64_t active_bytes, Offset end, ProducerState& producers) {
  producers.clear();
  CO_ASSIGN_OR_RETURN(const Offset from,
                      co_await load_snapshot(log, segments->first(), end, producers));
  for (const SealedSegment& sealed : segments->sealed) {
    if (sealed.next <= from) continue;
    CO_RETURN_IF_ERROR(co_await replay_segment(sealed.segment, sealed.bytes, from, producers));
  }
  if (from >= end) co_return {};
  co_return co_await replay_segment(segments->active, active_bytes, from, producers);
}

}  // namespace sluice::storage
