#include "storage/log_syncer.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace sluice::storage {

io::Task<Result<>> LogSyncer::sync_to(Offset end, io::Lane lane) {
  SyncWaiter self{.end = end};
  bool leads = false;
  {
    auto state = log_.state.lock();
    if (end <= state->synced_end) co_return {};
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

io::Task<Result<>> LogSyncer::lead(Offset end, io::Lane lane) {
  std::shared_ptr<const SegmentList> segments;
  Offset from, target;
  bool folder = false;
  {
    auto state = log_.state.lock();
    segments = state->segments;
    from = state->synced_end;
    target = std::min(state->end, state->cutting_to);
    folder = std::exchange(state->folder_dirty, false);
    state->cut_during_sync = target;
  }
  auto outcome = co_await sync_files(lane, std::move(segments), from, folder);
  finish(outcome, target);
  if (outcome && end > target) co_return fail(Errc::offset_out_of_range);  // it was cut meanwhile
  co_return outcome;
}

io::Task<Result<>> LogSyncer::sync_files(io::Lane lane, std::shared_ptr<const SegmentList> segments,
                                         Offset from, bool folder) {
  for (const SealedSegment& sealed : segments->sealed) {
    if (sealed.next <= from) continue;
    Segment& segment = *sealed.segment;
    // The indexes too: below the recovery point they are trusted.
    for (SegmentFile* part : {segment.file().get(), segment.offsets().entries().file().get(),
                              segment.times().entries().file().get()}) {
      CO_ASSIGN_OR_RETURN(auto file, co_await part->open());
      CO_RETURN_IF_ERROR(co_await file->sync(lane));
    }
  }
  if (folder) CO_RETURN_IF_ERROR(co_await log_.ports.disk.sync_directory(log_.folder()));
  CO_ASSIGN_OR_RETURN(auto file, co_await segments->active->file()->open());
  co_return co_await file->sync(lane);
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
      state->sync_failed = true;
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
