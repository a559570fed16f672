#include <utility>

#include "storage/log_writer.h"
#include "storage/segment_name.h"

// Rolling, and the space that segments take: the part of LogWriter that runs now and then.
namespace sluice::storage {
namespace {

io::Task<void> write_back(std::shared_ptr<Segment> segment, WritePacer::Range range) {
  if (auto file = co_await segment->file()->open()) {
    // It only spreads the kernel's work; what fails here shows at the next sync.
    static_cast<void>(co_await (*file)->start_write_back(range.position, range.length));
  }
}

}  // namespace

/// Seals the active segment and begins the next at the log end. On an error the log goes on with
/// the one it has. Nothing may be gathered.
io::Task<Result<>> LogWriter::roll_segment() {
  changed_ = true;
  CO_ASSIGN_OR_RETURN(SealedSegment full, co_await seal(std::move(active_)));
  full.next = next_;
  auto fresh = co_await ActiveSegment::create(log_.space, next_, options_->segment_index_bytes);
  if (!fresh) {
    active_.segment()->set_complete(false);
    co_return fail(std::move(fresh).error());
  }
  active_ = std::move(*fresh);
  std::vector<SealedSegment> sealed = log_.state.lock()->segments->sealed;
  sealed.push_back(std::move(full));
  publish_segments(std::move(sealed));
  pacer_.restart(0);
  unsynced_snapshots_.push_back(next_);
  snapshots_.start(write_snapshot(next_, producers_.encode_snapshot()));
  log_.background.start(sync_behind(next_));
  co_return {};
}

/// The log now has these sealed segments and the writer's active one.
void LogWriter::publish_segments(std::vector<SealedSegment> sealed) {
  auto list = std::make_shared<SegmentList>(
      SegmentList{.sealed = std::move(sealed), .active = active_.segment()});
  const uint64_t sealed_bytes = list->sealed_bytes();
  std::shared_ptr<const SegmentList> published = std::move(list);
  auto state = log_.state.lock();
  const bool other_active = state->segments->active != published->active;
  state->segments.swap(published);
  state->sealed_bytes = sealed_bytes;
  state->active_bytes = active_.bytes();
  state->active_max_timestamp = active_.max_timestamp();
  state->folder_dirty = true;
  if (other_active) state->recent.clear();
}

void LogWriter::pace(uint64_t position, uint64_t bytes) {
  pacer_.wrote(position, bytes);
  if (const auto range = pacer_.write_back()) {
    log_.background.start(write_back(active_.segment(), *range));
  }
  if (pacer_.wants_space(options_->segment_bytes)) {
    if (const auto range = pacer_.reservation(options_->segment_bytes, log_.ports.clock.now())) {
      log_.background.start(reserve(active_.segment(), *range));
    }
  }
}

/// Reserves space off the append's path. Best effort: a full disk shows at the write.
io::Task<void> LogWriter::reserve(std::shared_ptr<Segment> segment, WritePacer::Range range) {
  auto file = co_await segment->file()->open();
  if (!file || !co_await (*file)->allocate(range.position, range.length)) co_return;
  if (!segment->complete()) co_return;
  // Sealed meanwhile: what its trimming could not see yet is given back now. In the writer's role,
  // because a truncation may make the segment the active one again.
  const Role held = co_await role();
  if (!segment->complete()) co_return;
  if (const auto size = (*file)->size()) static_cast<void>(co_await (*file)->truncate(*size));
}

/// Syncs what a roll left behind, so that the next sync has little to do.
io::Task<void> LogWriter::sync_behind(Offset end) {
  if (auto synced = co_await syncer_.sync_to(end, io::Lane::background); !synced) {
    // Cut off or deleted meanwhile.
    if (synced.error() == Errc::offset_out_of_range) co_return;
    if (synced.error() == Errc::shutting_down) co_return;
    log_.ports.log.error("sync failed", {{"partition", log_.partition.folder()},
                                         {"cause", synced.error().message()}});
  }
}

/// Not synced: it carries a checksum, and without it the log is read.
io::Task<void> LogWriter::write_snapshot(Offset at, std::vector<std::byte> content) {
  std::string path = segment_path(log_.folder(), at, kSnapshotSuffix);
  auto file = co_await log_.ports.disk.open(path, io::OpenMode::create);
  Result<> written;
  if (file) {
    const ByteView bytes = content;
    written = co_await (*file)->write_at(0, std::span(&bytes, 1), io::Lane::background);
    if (written) written = co_await (*file)->truncate(content.size());
  } else {
    written = fail(std::move(file).error());
  }
  if (!written) {
    log_.ports.log.warning("producer snapshot not written",
                           {{"path", path}, {"cause", written.error().message()}});
    // Not a part of one: after a clean stop nobody looks for torn ones.
    static_cast<void>(co_await log_.ports.disk.remove(std::move(path)));
  }
}

}  // namespace sluice::storage
