#include <algorithm>
#include <string>
#include <utility>

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

io::Task<Result<>> LogWriter::truncate_to(Offset end) {
  const Role held = co_await role();
  CO_RETURN_IF_ERROR(refusal());
  if (end >= next_) co_return {};
  changed_ = true;
  CO_ASSIGN_OR_RETURN(Cut where, co_await find_cut(end));
  bool was_synced = false;
  {
    auto state = log_.state.lock();
    was_synced = where.end < state->synced_end;
    state->synced_end = std::min(state->synced_end, where.end);
    state->cut_during_sync = std::min(state->cut_during_sync, where.end);
    state->cutting_to = where.end;
  }
  Result<> done;
  if (was_synced && log_.ports.before_truncation) {
    done = co_await log_.ports.before_truncation(log_.partition, where.end);
  }
  if (done) {
    done = co_await cut(std::move(where));
    if (!done) done = fail(broken(std::move(done).error(), "truncate"));
  }
  log_.state.lock()->cutting_to = LogState::kNotCutting;
  co_return done;
}

/// The batch boundary at or below `end`.
io::Task<Result<LogWriter::Cut>> LogWriter::find_cut(Offset end) {
  Cut cut{.list = log_.state.lock()->segments, .end = end};
  cut.place = cut.list->find(end);
  const bool active = cut.in_active();
  cut.kept = active ? cut.list->active : cut.list->sealed[cut.place].segment;
  cut.kept_bytes = active ? active_.bytes() : cut.list->sealed[cut.place].bytes;
  if (end > cut.kept->base()) {
    CO_ASSIGN_OR_RETURN(
        const auto batch,
        co_await find_batch({.segment = cut.kept, .bytes = cut.kept_bytes}, end, io::Lane::cold));
    cut.position = batch ? batch->position : cut.kept_bytes;
    if (batch) cut.end = std::min(end, batch->header.base_offset);
  }
  co_return cut;
}

/// Readers first, then the files, the last segment first: a crash on the way leaves a longer log.
io::Task<Result<>> LogWriter::cut(Cut where) {
  const auto& [list, kept, kept_bytes, place, position, end] = where;
  const bool in_active = where.in_active();
  const auto first_cut = list->sealed.begin() + static_cast<ptrdiff_t>(place);
  std::vector<SealedSegment> dropped;
  if (!in_active) {
    dropped.assign(first_cut + 1, list->sealed.end());
    dropped.push_back({.segment = list->active, .bytes = active_.bytes(), .next = next_});
  }
  auto shorter = std::make_shared<SegmentList>();
  shorter->sealed.assign(list->sealed.begin(), first_cut);
  shorter->active = kept;
  LeaderEpochs epochs;
  {
    auto state = log_.state.lock();
    state->segments = shorter;
    state->sealed_bytes = shorter->sealed_bytes();
    state->active_bytes = position;
    state->end = end;
    state->start = std::min(state->start, end);
    state->high_watermark = std::min(state->high_watermark, end);
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
    CO_RETURN_IF_ERROR(co_await retire(std::move(dropped)));
    CO_ASSIGN_OR_RETURN(active_, co_await ActiveSegment::resume(kept, kept_bytes));
  }
  CO_RETURN_IF_ERROR(co_await active_.truncate(position, end));
  // Before anything is appended: what was cut must not come back behind it, nor overlap it.
  CO_RETURN_IF_ERROR(co_await sync_cut());
  pacer_.restart(position);
  if (epochs.truncate_end(end)) CO_RETURN_IF_ERROR(co_await store_epochs(std::move(epochs)));
  epoch_ = log_.state.lock()->epochs.latest();
  CO_RETURN_IF_ERROR(co_await replay_producers(log_, shorter, position, end, producers_));
  auto state = log_.state.lock();
  state->active_max_timestamp = active_.max_timestamp();
  state->last_stable = producers_.oldest_transaction().value_or(end);
  co_return {};
}

io::Task<Result<>> LogWriter::sync_cut() {
  CO_ASSIGN_OR_RETURN(auto file, co_await active_.segment()->file()->open());
  CO_RETURN_IF_ERROR(co_await file->sync(io::Lane::commit));
  co_return co_await log_.ports.disk.sync_directory(log_.folder());
}

/// Takes the files of segments away, last first. Whoever holds a slice still reads it.
io::Task<Result<>> LogWriter::retire(std::vector<SealedSegment> segments) {
  std::vector<std::string> deleted;
  for (; !segments.empty(); segments.pop_back()) {
    Segment& segment = *segments.back().segment;
    if (auto pinned = co_await segment.pin(); !pinned) {
      if (!(pinned.error() == Errc::file_not_found)) co_return pinned;
    }
    for (const std::string_view suffix :
         {kLogSuffix, kIndexSuffix, kTimeIndexSuffix, kAbortedIndexSuffix, kSnapshotSuffix}) {
      std::string path = segment_path(log_.folder(), segment.base(), suffix);
      std::string waiting = path + std::string(kDeletedSuffix);
      auto renamed = co_await log_.ports.disk.rename(std::move(path), waiting);
      if (renamed) {
        deleted.push_back(std::move(waiting));
      } else if (!(renamed.error() == Errc::file_not_found)) {
        co_return renamed;
      }
    }
  }
  if (log_.ports.discard) {
    log_.ports.discard(std::move(deleted));
    co_return {};
  }
  for (std::string& path : deleted) {
    CO_RETURN_IF_ERROR(co_await log_.ports.disk.remove(std::move(path)));
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
  if (start <= start_) co_return {};
  changed_ = true;
  std::vector<SealedSegment> kept = log_.state.lock()->segments->sealed;
  const auto first_kept = std::find_if(
      kept.begin(), kept.end(), [&](const SealedSegment& segment) { return segment.next > start; });
  std::vector<SealedSegment> gone(kept.begin(), first_kept);
  kept.erase(kept.begin(), first_kept);
  LeaderEpochs epochs;
  {
    auto state = log_.state.lock();
    state->start = start_ = start;
    epochs = state->epochs;
  }
  if (!gone.empty()) publish_segments(std::move(kept));
  if (epochs.truncate_start(start)) CO_RETURN_IF_ERROR(co_await store_epochs(std::move(epochs)));
  std::reverse(gone.begin(), gone.end());  // the oldest goes first: no hole after a crash
  co_return co_await retire(std::move(gone));
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
  co_await log_.background.join();
  co_return outcome;
}

/// Brings everything on the device that the next open is going to trust.
io::Task<Result<>> LogWriter::finish_files() {
  CO_RETURN_IF_ERROR(co_await active_.finish());
  co_await write_snapshot(next_, producers_.encode_snapshot());
  CO_ASSIGN_OR_RETURN(
      auto snapshot, co_await log_.ports.disk.open(
                         segment_path(log_.folder(), next_, kSnapshotSuffix), io::OpenMode::write));
  CO_RETURN_IF_ERROR(co_await snapshot->sync(io::Lane::background));
  const Segment& segment = *active_.segment();
  for (const auto& index : {segment.offsets().entries().file(), segment.times().entries().file()}) {
    CO_ASSIGN_OR_RETURN(auto file, co_await index->open());
    CO_RETURN_IF_ERROR(co_await file->sync(io::Lane::background));
  }
  co_return co_await syncer_.sync_all(io::Lane::background);
}

io::Task<void> LogWriter::abandon() {
  {
    const Role held = co_await role();
    closed_ = true;
  }
  co_await log_.background.join();
}

}  // namespace sluice::storage
