#include "storage/log_syncer.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "io/lanes.h"

namespace sluice::storage {

io::Task<Result<>> LogSyncer::sync_to(Offset end, io::Lane lane) {
  SyncWaiter self{.end = end};
  bool leads = false;
  {
    auto state = log_.state.lock();
    if (end <= state->synced_end) co_return {};
    if (state->closed) co_return fail(Errc::shutting_down);
    if (state->sync_failed) co_return fail(Errc::disk_offline);
    if (end > state->end) co_return fail(Errc::offset_out_of_range);
    leads = !std::exchange(state->syncing, true);
    if (!leads) self.next = std::exchange(state->sync_waiters, &self);
  }
  if (!leads) {
    if (auto outcome = co_await self.woken) co_return std::move(*outcome);
  }
  co_return co_await lead(end, lane);
}

io::Task<Result<>> LogSyncer::sync_all(io::Lane lane) {
  // No sync in flight is late enough: whoever finishes it hands on to this one.
  SyncWaiter self{.end = Offset(std::numeric_limits<int64_t>::max())};
  bool leads = false;
  {
    auto state = log_.state.lock();
    if (state->sync_failed) co_return fail(Errc::disk_offline);
    state->folder_dirty = true;
    leads = !std::exchange(state->syncing, true);
    if (!leads) self.next = std::exchange(state->sync_waiters, &self);
  }
  if (!leads) {
    if (auto outcome = co_await self.woken) co_return std::move(*outcome);
  }
  co_return co_await lead(Offset(0), lane);
}

io::Task<void> LogSyncer::shut() {
  SyncWaiter self{.end = Offset(std::numeric_limits<int64_t>::max())};
  {
    auto state = log_.state.lock();
    state->closed = true;
    if (!state->syncing) co_return;
    self.next = std::exchange(state->sync_waiters, &self);
  }
  // As the one to run the next sync: there is none.
  if (!co_await self.woken) finish(fail(Errc::shutting_down), Offset(0));
}

io::Task<Result<>> LogSyncer::lead(Offset end, io::Lane lane) {
  std::shared_ptr<const SegmentList> segments;
  Offset target;
  bool folder = false, shut = false;
  {
    auto state = log_.state.lock();
    shut = state->closed;
    segments = state->segments;
    target = std::min(state->end, state->cutting_to);
    folder = std::exchange(state->folder_dirty, false);
    state->cut_during_sync = target;
  }
  Result<> outcome = fail(Errc::shutting_down);
  if (!shut) outcome = co_await sync_files(lane, std::move(segments), folder);
  finish(outcome, target);
  if (outcome && end > target) co_return fail(Errc::offset_out_of_range);  // it was cut meanwhile
  co_return outcome;
}

/// Everything that is not on the device yet, in the order of offsets.
io::Task<Result<>> LogSyncer::sync_files(io::Lane lane, std::shared_ptr<const SegmentList> segments,
                                         bool folder) {
  for (const SealedSegment& sealed : segments->sealed) {
    if (!sealed.segment->synced()) CO_RETURN_IF_ERROR(co_await sync_sealed(lane, *sealed.segment));
  }
  if (folder) {
    if (auto synced = co_await log_.ports.disk.sync_directory(log_.folder()); !synced) {
      if (io::directory_not_opened(synced.error())) co_return synced;
      co_return fail(beyond_repair(std::move(synced).error()));
    }
  }
  co_return co_await sync_file(lane, *segments->active->file());
}

/// The indexes too: below the recovery point they are trusted.
io::Task<Result<>> LogSyncer::sync_sealed(io::Lane lane, Segment& segment) {
  const uint32_t generation = segment.file()->generation();
  for (SegmentFile* part : {segment.file().get(), segment.offsets().entries().file().get(),
                            segment.times().entries().file().get()}) {
    CO_RETURN_IF_ERROR(co_await sync_file(lane, *part));
  }
  // A truncation raises the generation under the lock before it makes the segment active again.
  auto state = log_.state.lock();
  if (segment.file()->generation() == generation) segment.set_synced(true);
  co_return {};
}

io::Task<Result<>> LogSyncer::sync_file(io::Lane lane, SegmentFile& part) {
  CO_ASSIGN_OR_RETURN(auto file, co_await part.open());
  // Before: what is written meanwhile is the next sync's.
  part.set_unsynced(false);
  if (auto synced = co_await file->sync(lane); !synced) {
    part.set_unsynced(true);
    co_return fail(beyond_repair(std::move(synced).error()));
  }
  co_return {};
}

/// The page cache may have dropped what it could not write: no later sync can be believed.
Error LogSyncer::beyond_repair(Error cause) {
  log_.state.lock()->sync_failed = true;
  return cause;
}

void LogSyncer::finish(const Result<>& outcome, Offset target) {
  SyncWaiter* woken = nullptr;
  SyncWaiter* heir = nullptr;
  {
    auto state = log_.state.lock();
    if (outcome) {
      target = std::min(target, state->cut_during_sync);
      state->synced_end = std::max(state->synced_end, target);
    } else {
      state->folder_dirty = true;
    }
    SyncWaiter* waiting = std::exchange(state->sync_waiters, nullptr);
    while (waiting != nullptr) {
      SyncWaiter* waiter = std::exchange(waiting, waiting->next);
      const bool done = !outcome || waiter->end <= target;
      if (!done && heir == nullptr) {
        heir = waiter;
      } else {
        SyncWaiter*& list = done ? woken : state->sync_waiters;
        waiter->next = std::exchange(list, waiter);
      }
    }
    state->syncing = heir != nullptr;
  }
  while (woken != nullptr) {
    // Read before it is woken: the waiter may be gone at once.
    SyncWaiter* waiter = std::exchange(woken, woken->next);
    waiter->woken.set(outcome);
  }
  if (heir != nullptr) heir->woken.set(std::nullopt);
}

}  // namespace sluice::storage
