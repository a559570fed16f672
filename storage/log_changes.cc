#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "storage/header_scan.h"
#include "storage/log_writer.h"
#include "storage/producer_replay.h"
#include "storage/segment_lookup.h"
#include "storage/segment_name.h"

// What changes a log other than appending to it, each in the writer's role.
namespace sluice::storage {

io::Task<LogWriter::Role> LogWriter::role() {
  LogWaiter self;
  const bool mine = log_.state.lock()->queue.enter(self);
  if (!mine) co_await self.turn;
  auto options = log_.state.lock()->options;
  options_.swap(options);
  co_return Role(this);
}

void LogWriter::leave() {
  LogWaiter* heir = log_.state.lock()->queue.leave();
  if (heir != nullptr) heir->turn.set(LogWaiter::Turn::write);
}

/// The files may be in a state that nobody knows: no more changes, the directory is not trusted.
Error LogWriter::broken(Error cause, std::string_view doing) {
  Error error = std::move(cause).with_context(log_.partition.folder() + ": " + std::string(doing));
  if (!std::exchange(broken_, true) && log_.ports.take_offline) log_.ports.take_offline(error);
  return error;
}

io::Task<Result<>> LogWriter::roll() {
  Offset end;
  {
    const Role held = co_await role();
    CO_RETURN_IF_ERROR(refusal());
    end = next_;
    if (active_.bytes() > 0) CO_RETURN_IF_ERROR(co_await roll_segment());
  }
  co_return co_await syncer_.sync_to(end, io::Lane::background);
}

io::Task<Result<>> LogWriter::start_epoch(LeaderEpoch epoch) {
  const Role held = co_await role();
  CO_RETURN_IF_ERROR(refusal());
  if (epoch < epoch_) {
    co_return fail(Errc::fenced_leader_epoch,
                   log_.partition.folder() + ": epoch " + std::to_string(epoch.value()) +
                       " is older than the log's " + std::to_string(epoch_.value()));
  }
  if (epoch == epoch_) co_return {};
  co_return co_await begin_epoch(epoch, next_);
}

io::Task<Result<>> LogWriter::begin_epoch(LeaderEpoch epoch, Offset start) {
  LeaderEpochs epochs = log_.state.lock()->epochs;
  if (!epochs.assign(epoch, start)) co_return {};
  CO_RETURN_IF_ERROR(co_await store_epochs(std::move(epochs)));
  epoch_ = epoch;
  co_return {};
}

/// On the device first, then in force.
io::Task<Result<>> LogWriter::store_epochs(LeaderEpochs epochs) {
  CO_RETURN_IF_ERROR(co_await io::replace_file(
      log_.ports.disk, log_.folder() + "/" + kLeaderEpochFile, epochs.encode()));
  log_.state.lock()->epochs = std::move(epochs);
  co_return {};
}

io::Task<Result<>> LogWriter::correct_epochs(const EpochCheck& found) {
  const Role held = co_await role();
  CO_RETURN_IF_ERROR(refusal());
  for (const auto& batch : found.misfits()) {
    if (batch.file->generation() != batch.generation) co_return {};
    CO_RETURN_IF_ERROR(co_await correct_epoch(batch));
  }
  auto corrected = found.corrected();
  if (!corrected || next_ < found.end()) co_return {};
  const LeaderEpochs before = log_.state.lock()->epochs;
  // What began since, and one that has no record yet, no batch tells.
  for (const auto& entry : before.entries()) {
    if (entry.start >= found.end()) corrected->push_back(entry);
  }
  LeaderEpochs epochs;
  for (const auto& entry : *corrected) {
    if (entry.epoch > epochs.latest()) epochs.assign(entry.epoch, entry.start);
  }
  epochs.truncate_start(start_);
  log_.ports.log.warning("leader epochs are not those of the log's batches, which tell",
                         {{"log", log_.partition.folder()}});
  CO_RETURN_IF_ERROR(co_await store_epochs(std::move(epochs)));
  epoch_ = log_.state.lock()->epochs.latest();
  co_return {};
}

/// No checksum covers it, and those around it and what was written down agree.
io::Task<Result<>> LogWriter::correct_epoch(const EpochCheck::Misfit& batch) {
  if (log_.state.lock()->epochs.epoch_at(batch.base) != batch.recorded) co_return {};
  CO_ASSIGN_OR_RETURN(auto file,
                      co_await log_.ports.disk.open(batch.file->path(), io::OpenMode::write));
  std::array<std::byte, record::kHeaderSize> bytes;
  CO_ASSIGN_OR_RETURN(const size_t read,
                      co_await file->read_at(batch.position, bytes, io::Lane::background));
  if (read < bytes.size()) co_return {};
  const auto header = record::load_header(bytes.data());
  if (header.base_offset != batch.base || header.leader_epoch != batch.found) co_return {};
  log_.ports.log.warning("leader epoch of a batch went bad and is written again",
                         {{"path", batch.file->path()},
                          {"offset", batch.base},
                          {"found", batch.found},
                          {"epoch", batch.recorded}});
  store_be(bytes.data() + record::kLeaderEpochAt, batch.recorded.value());
  const ByteView epoch = ByteView(bytes).subspan(record::kLeaderEpochAt, sizeof(int32_t));
  CO_RETURN_IF_ERROR(co_await file->write_at(batch.position + record::kLeaderEpochAt,
                                             std::span(&epoch, 1), io::Lane::background));
  co_return co_await file->sync(io::Lane::background);
}

io::Task<Result<>> LogWriter::replace_indexes(std::shared_ptr<Segment> of, IndexFiles anew) {
  const Role held = co_await role();
  CO_RETURN_IF_ERROR(refusal());
  std::vector<SealedSegment> sealed = log_.state.lock()->segments->sealed;
  const auto place = std::ranges::find(sealed, of, &SealedSegment::segment);
  if (place == sealed.end() || !of->synced()) co_return {};
  CO_RETURN_IF_ERROR(co_await of->pin());
  const auto write = [&](std::string_view suffix, std::vector<std::byte> content) {
    return io::replace_file(log_.ports.disk, segment_path(log_.folder(), of->base(), suffix),
                            std::move(content));
  };
  CO_RETURN_IF_ERROR(co_await write(kIndexSuffix, std::move(anew.offsets)));
  CO_RETURN_IF_ERROR(co_await write(kTimeIndexSuffix, std::move(anew.times)));
  auto segment = co_await open_segment(log_.space, of->base(), options_->segment_index_bytes);
  if (!segment) co_return fail(broken(std::move(segment).error(), "open a new index"));
  (*segment)->set_complete(true);
  (*segment)->set_synced(true);
  place->segment = std::move(*segment);
  publish_segments(std::move(sealed));
  // A cut of the file is told to the new one from now on.
  of->file()->next_generation();
  co_return {};
}

io::Task<Result<>> LogWriter::truncate_to(Offset end) {
  const Role held = co_await role();
  CO_RETURN_IF_ERROR(refusal());
  if (end >= next_) co_return co_await drop_empty_epochs();
  CO_ASSIGN_OR_RETURN(Cut where, co_await find_cut(end));
  const Offset kept_end = where.end;
  co_return co_await cut_durably(std::move(where), kept_end);
}

/// A leader that appended nothing left an epoch at the log end, which contradicts what another
/// leader's records there say.
io::Task<Result<>> LogWriter::drop_empty_epochs() {
  LeaderEpochs epochs = log_.state.lock()->epochs;
  if (!epochs.truncate_end(next_)) co_return {};
  CO_RETURN_IF_ERROR(co_await store_epochs(std::move(epochs)));
  epoch_ = log_.state.lock()->epochs.latest();
  co_return {};
}

io::Task<Result<>> LogWriter::restart_at(Offset start) {
  const Role held = co_await role();
  CO_RETURN_IF_ERROR(refusal());
  Cut where{.list = log_.state.lock()->segments, .end = start, .anew = true};
  where.kept = std::make_shared<Segment>(log_.space, start, options_->segment_index_bytes,
                                         Segment::IndexEntries{});
  // While files go nothing of the old log may be expected to be there.
  const Offset kept_end = std::min(start, start_);
  co_return co_await cut_durably(std::move(where), kept_end);
}

/// Notes that the log keeps nothing from `kept_end` on, before anything is cut.
io::Task<Result<>> LogWriter::cut_durably(Cut where, Offset kept_end) {
  changed_ = true;
  {
    auto state = log_.state.lock();
    state->synced_end = std::min(state->synced_end, kept_end);
    state->cut_during_sync = std::min(state->cut_during_sync, kept_end);
    state->cutting_to = kept_end;
  }
  Result<> done;
  // Even if nothing synced goes: an attempt before this one may have failed to note what did.
  if (log_.ports.before_truncation) {
    done = co_await log_.ports.before_truncation(log_.partition, kept_end);
  }
  if (done) {
    done = co_await cut(std::move(where));
    if (!done) done = fail(broken(std::move(done).error(), "truncate"));
  }
  log_.state.lock()->cutting_to = LogState::kNotCutting;
  co_return done;
}

/// Where the last batch that ends at or below `end` ends; `end` itself when the log has only later
/// ones.
io::Task<Result<LogWriter::Cut>> LogWriter::find_cut(Offset end) {
  Cut cut{.list = log_.state.lock()->segments, .end = end};
  cut.place = cut.list->find(end);
  cut.anew = end < cut.list->first();
  if (cut.anew) {
    cut.kept = std::make_shared<Segment>(log_.space, end, options_->segment_index_bytes,
                                         Segment::IndexEntries{});
    co_return cut;
  }
  const bool active = cut.in_active();
  cut.kept = active ? cut.list->active : cut.list->sealed[cut.place].segment;
  cut.kept_bytes = active ? active_.bytes() : cut.list->sealed[cut.place].bytes;
  if (end > cut.kept->base()) {
    CO_ASSIGN_OR_RETURN(
        const auto batch,
        co_await find_batch({.segment = cut.kept, .bytes = cut.kept_bytes}, end, io::Lane::cold));
    cut.position = batch ? batch->position : cut.kept_bytes;
  }
  CO_ASSIGN_OR_RETURN(cut.end, co_await end_of_batches(cut.kept, cut.position));
  co_return cut;
}

/// Behind the last batch before `position`, the base when there is none: where the next open is
/// going to see the log end, though compaction may have left a gap there.
io::Task<Result<Offset>> LogWriter::end_of_batches(std::shared_ptr<Segment> segment,
                                                   uint64_t position) {
  Offset end = segment->base();
  if (position == 0) co_return end;
  CO_ASSIGN_OR_RETURN(auto offsets, co_await segment->offsets().view());
  const auto entry = offsets.floor_position(position - 1);
  CO_ASSIGN_OR_RETURN(auto file, co_await segment->file()->open());
  HeaderScan scan(std::move(file), entry ? entry->position : 0, position, io::Lane::cold);
  for (;;) {
    CO_ASSIGN_OR_RETURN(const auto batch, co_await scan.next());
    if (!batch) co_return end;
    end = batch->header.next_offset();
  }
}

/// What goes and what stays, oldest first.
std::vector<SealedSegment> LogWriter::Cut::dropped(const ActiveSegment& active) const {
  if (in_active()) return {};
  std::vector<SealedSegment> gone(first_cut() + (anew ? 0 : 1), list->sealed.end());
  gone.push_back({.segment = list->active, .bytes = active.bytes(), .next = active.next()});
  return gone;
}

/// Readers first, then the files, the last segment first: a crash on the way leaves a longer log.
io::Task<Result<>> LogWriter::cut(Cut where) {
  // One that is still written would come back after its removal.
  co_await snapshots_.join();
  const auto& kept = where.kept;
  const Offset end = where.end;
  const bool in_active = where.in_active();
  std::vector<SealedSegment> dropped = where.dropped(active_);
  auto shorter = std::make_shared<SegmentList>();
  shorter->sealed.assign(where.list->sealed.begin(), where.first_cut());
  shorter->active = kept;
  LeaderEpochs epochs;
  {
    auto state = log_.state.lock();
    state->segments = shorter;
    state->sealed_bytes = shorter->sealed_bytes();
    state->active_bytes = where.position;
    state->end = end;
    state->start = where.anew ? end : std::min(state->start, end);
    state->high_watermark = where.anew ? end : std::min(state->high_watermark, end);
    state->last_stable = std::min(state->last_stable, end);
    state->synced_end = std::min(state->synced_end, end);
    state->cut_during_sync = std::min(state->cut_during_sync, end);
    state->folder_dirty = true;
    if (in_active) {
      state->recent.cut(end);
    } else {
      state->recent.clear();
    }
    kept->file()->next_generation();
    for (const SealedSegment& segment : dropped) segment.segment->file()->next_generation();
    epochs = state->epochs;
    start_ = state->start;
  }
  next_ = end;
  if (!in_active) {
    leaving_.insert(leaving_.end(), dropped.begin(), dropped.end());
    CO_RETURN_IF_ERROR(co_await retire());
    if (where.anew) CO_RETURN_IF_ERROR(co_await kept->file()->create());
    CO_ASSIGN_OR_RETURN(active_, co_await ActiveSegment::resume(kept, where.kept_bytes));
  }
  CO_RETURN_IF_ERROR(co_await active_.truncate(where.position, end));
  // Before anything is appended: what was cut must not come back behind it, nor overlap it.
  CO_RETURN_IF_ERROR(co_await sync_cut());
  pacer_.restart(where.position);
  // Without a record nothing is known of any epoch.
  if (epochs.truncate_end(where.anew ? Offset{0} : end))
    CO_RETURN_IF_ERROR(co_await store_epochs(std::move(epochs)));
  epoch_ = log_.state.lock()->epochs.latest();
  CO_RETURN_IF_ERROR(co_await replay_producers(log_, shorter, where.position, end, producers_));
  auto state = log_.state.lock();
  state->active_max_timestamp = active_.max_timestamp();
  state->last_stable = producers_.oldest_transaction().value_or(end);
  state->producers = producers_.size();
  co_return {};
}

io::Task<Result<>> LogWriter::sync_cut() {
  CO_ASSIGN_OR_RETURN(auto file, co_await active_.segment()->file()->open());
  CO_RETURN_IF_ERROR(co_await file->sync(io::Lane::commit));
  co_return co_await log_.ports.disk.sync_directory(log_.folder());
}

/// Takes the files of the segments that leave away, last first. What cannot be taken away leaves
/// the next time. Whoever holds a slice still reads it.
io::Task<Result<>> LogWriter::retire() {
  std::vector<std::string> deleted;
  Result<> done;
  while (done && !leaving_.empty()) {
    done = co_await retire(*leaving_.back().segment, deleted);
    if (done) leaving_.pop_back();
  }
  if (log_.ports.discard) {
    log_.ports.discard(std::move(deleted));
    co_return done;
  }
  for (std::string& path : deleted) {
    CO_RETURN_IF_ERROR(co_await log_.ports.disk.remove(std::move(path)));
  }
  co_return done;
}

io::Task<Result<>> LogWriter::retire(Segment& segment, std::vector<std::string>& deleted) {
  // Without a descriptor to spare it leaves all the same: only a reader that found it and has not
  // opened it yet has to look again.
  static_cast<void>(co_await segment.pin());
  for (const std::string_view suffix :
       {kLogSuffix, kIndexSuffix, kTimeIndexSuffix, kAbortedIndexSuffix, kSnapshotSuffix}) {
    const std::string path = segment_path(log_.folder(), segment.base(), suffix);
    std::string waiting = path + std::string(kDeletedSuffix);
    const auto renamed = co_await log_.ports.disk.rename(path, waiting);
    if (renamed) deleted.push_back(std::move(waiting));
    if (renamed || renamed.error() == Errc::file_not_found) continue;
    // A full disk may have no room for the new name, and needs the file's most of all.
    auto removed = co_await log_.ports.disk.remove(path);
    if (!removed && !(removed.error() == Errc::file_not_found)) co_return removed;
  }
  co_return {};
}

io::Task<Result<>> LogWriter::advance_start(Offset start) {
  const Role held = co_await role();
  CO_RETURN_IF_ERROR(refusal());
  if (start > next_) {
    co_return fail(Errc::offset_out_of_range,
                   log_.partition.folder() + ": start " + std::to_string(start.value()) +
                       " is above the log end " + std::to_string(next_.value()));
  }
  // A call before this one may have left files behind.
  if (start <= start_) co_return co_await retire();
  changed_ = true;
  std::vector<SealedSegment> kept = log_.state.lock()->segments->sealed;
  const auto first_kept = std::find_if(
      kept.begin(), kept.end(), [&](const SealedSegment& segment) { return segment.next > start; });
  // The oldest goes first: no hole after a crash.
  leaving_.insert(leaving_.begin(), std::make_reverse_iterator(first_kept), kept.rend());
  const bool fewer = first_kept != kept.begin();
  kept.erase(kept.begin(), first_kept);
  std::optional<LeaderEpochs> epochs;
  {
    auto state = log_.state.lock();
    state->start = start_ = start;
    if (state->epochs.truncate_start(start)) epochs = state->epochs;
  }
  if (fewer) publish_segments(std::move(kept));
  auto retired = co_await retire();
  // Last, and not needed: what the file says too much is below the log start.
  if (epochs) {
    if (auto stored = co_await store_epochs(std::move(*epochs)); !stored) {
      log_.ports.log.warning(
          "leader epochs not stored, the next change stores them",
          {{"partition", log_.partition.folder()}, {"cause", stored.error().message()}});
    }
  }
  co_return retired;
}

io::Task<Result<>> LogWriter::replace_segments(std::vector<Offset> old, uint64_t bytes,
                                               std::function<io::Task<Result<>>()> swap_files) {
  const Role held = co_await role();
  CO_RETURN_IF_ERROR(refusal());
  std::vector<SealedSegment> sealed = log_.state.lock()->segments->sealed;
  const auto first = std::find_if(sealed.begin(), sealed.end(), [&](const SealedSegment& segment) {
    return !old.empty() && segment.segment->base() == old.front();
  });
  const bool all_there =
      !old.empty() && static_cast<size_t>(sealed.end() - first) >= old.size() &&
      std::equal(old.begin(), old.end(), first, [](Offset base, const SealedSegment& segment) {
        return segment.segment->base() == base;
      });
  if (!all_there) co_return fail(Errc::not_found, "a segment to replace is gone");
  const auto last = first + static_cast<ptrdiff_t>(old.size());
  changed_ = true;
  for (auto segment = first; segment != last; ++segment) {
    CO_RETURN_IF_ERROR(co_await segment->segment->pin());
  }
  if (auto swapped = co_await swap_files(); !swapped) {
    co_return fail(broken(std::move(swapped).error(), "swap compacted segments"));
  }
  auto segment = co_await open_segment(log_.space, old.front(), options_->segment_index_bytes);
  if (!segment) co_return fail(broken(std::move(segment).error(), "open a compacted segment"));
  (*segment)->set_complete(true);
  const Offset next = (last - 1)->next;
  first->segment = std::move(*segment);
  first->bytes = bytes;
  first->next = next;
  sealed.erase(first + 1, last);
  publish_segments(std::move(sealed));
  co_return {};
}

io::Task<Result<std::vector<std::pair<ProducerId, Offset>>>> LogWriter::producer_ends() {
  const Role held = co_await role();
  CO_RETURN_IF_ERROR(refusal());
  co_return producers_.ends();
}

io::Task<Result<>> LogWriter::expire_producers(Timestamp now) {
  const Role held = co_await role();
  CO_RETURN_IF_ERROR(refusal());
  producers_.expire(now, options_->producer_expiration_ms);
  log_.state.lock()->producers = producers_.size();
  co_return {};
}

io::Task<Result<>> LogWriter::close() {
  Result<> outcome;
  {
    const Role held = co_await role();
    if (closed_) co_return {};
    outcome = refusal();
    closed_ = true;
    if (outcome && changed_) outcome = co_await finish_files();
  }
  co_await snapshots_.join();
  co_await log_.background.join();
  co_return outcome;
}

/// Brings everything on the device that the next open is going to trust.
io::Task<Result<>> LogWriter::finish_files() {
  CO_RETURN_IF_ERROR(co_await active_.finish());
  co_await snapshots_.join();  // that of the last roll may be this one's file
  co_await write_snapshot(next_, producers_.encode_snapshot());
  unsynced_snapshots_.push_back(next_);
  for (const Offset at : unsynced_snapshots_) CO_RETURN_IF_ERROR(co_await sync_snapshot(at));
  const Segment& segment = *active_.segment();
  for (const auto& index : {segment.offsets().entries().file(), segment.times().entries().file()}) {
    CO_ASSIGN_OR_RETURN(auto file, co_await index->open());
    CO_RETURN_IF_ERROR(co_await file->sync(io::Lane::background));
  }
  co_return co_await syncer_.sync_all(io::Lane::background);
}

/// One that could not be written, or went with its segment, is gone; the next open reads the log
/// instead.
io::Task<Result<>> LogWriter::sync_snapshot(Offset at) {
  const auto snapshot = co_await log_.ports.disk.open(
      segment_path(log_.folder(), at, kSnapshotSuffix), io::OpenMode::write);
  if (snapshot) co_return co_await (*snapshot)->sync(io::Lane::background);
  if (snapshot.error() == Errc::file_not_found) co_return Result<>{};
  co_return fail(Error(snapshot.error()));
}

io::Task<void> LogWriter::abandon() {
  {
    const Role held = co_await role();
    closed_ = true;
  }
  co_await snapshots_.join();
  co_await syncer_.shut();
  co_await log_.background.join();
}

}  // namespace sluice::storage
