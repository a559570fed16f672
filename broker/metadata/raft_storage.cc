#include "broker/metadata/raft_storage.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "base/mutation.h"

namespace sluice::broker {
namespace {

/// Steps are merged up to about so much.
constexpr size_t kGroupBytes = 16_MiB;
constexpr Duration kRetryWhenFull = 100ms;
constexpr Duration kStuckAfter = 1s;
/// A snapshot that failed is tried again after so much more of the log: it may have taken the last
/// space, which the log needs more.
constexpr uint64_t kSnapshotPause = 1_MiB;

}  // namespace

RaftStorage::RaftStorage(Ports ports, std::unique_ptr<Wal> wal, WalBatch first)
    : ports_(std::move(ports)), wal_(std::move(wal)), carried_(std::move(first)) {}

void RaftStorage::add(RaftReady ready) {
  Step step;
  step.written = {ready.number, std::move(ready.snapshot), std::move(ready.messages_after)};
  step.batch.entries = std::move(ready.entries);
  step.batch.hard_state = ready.hard_state;
  step.must_sync = ready.must_sync;
  enqueue(std::move(step));
}

void RaftStorage::save(WalSnapshot snapshot) {
  saving_ = true;
  Step step;
  step.own = std::move(snapshot);
  enqueue(std::move(step));
}

void RaftStorage::enqueue(Step step) {
  if (failed_ || closed_) return;
  step.since = io::Loop::current()->now();
  queue_.push_back(std::move(step));
  if (!std::exchange(writing_, true)) writes_.start(write_all());
}

bool RaftStorage::stuck(TimePoint now) const {
  if (full_) return true;
  const auto oldest = waiting_since_   ? waiting_since_
                      : queue_.empty() ? std::nullopt
                                       : std::optional(queue_.front().since);
  return oldest && now - *oldest >= kStuckAfter;
}

bool RaftStorage::snapshot_due(uint64_t every_bytes) const {
  return wal_->bytes_since_snapshot() >= std::max(every_bytes, snapshot_not_before_);
}

size_t RaftStorage::size_of(const WalBatch& batch) {
  size_t bytes = 0;
  for (const WalEntry& entry : batch.entries) bytes += entry.data.size();
  return bytes;
}

void RaftStorage::merge(Step& into, Step step) {
  into.written.number = step.written.number;
  std::ranges::move(step.written.messages, std::back_inserter(into.written.messages));
  auto& entries = into.batch.entries;
  if (!step.batch.entries.empty()) {
    const uint64_t first = step.batch.entries.front().index;
    while (!entries.empty() && entries.back().index >= first) entries.pop_back();
  }
  std::ranges::move(step.batch.entries, std::back_inserter(entries));
  if (step.batch.hard_state) into.batch.hard_state = step.batch.hard_state;
  into.must_sync = into.must_sync || step.must_sync;
}

RaftStorage::Step RaftStorage::next_group() {
  Step group = std::move(queue_.front());
  queue_.pop_front();
  size_t bytes = size_of(group.batch);
  while (!group.own && !queue_.empty()) {
    Step& next = queue_.front();
    bytes += size_of(next.batch);
    if (next.own || next.written.installed || bytes > kGroupBytes) break;
    merge(group, std::move(next));
    queue_.pop_front();
  }
  return group;
}

io::Task<void> RaftStorage::write_all() {
  while (!queue_.empty() && !failed_) {
    Step step = next_group();
    if (step.own) {
      co_await save_own(std::move(*step.own));
      continue;
    }
    waiting_since_ = step.since;
    Result<> written = co_await write(step);
    while (!written && written.error() == Errc::disk_full) {
      if (!co_await wait_for_space()) break;
      written = co_await write(step);
    }
    full_ = false;
    waiting_since_.reset();
    if (written) {
      ports_.on_written(std::move(step.written));
    } else if (!closed_ || written.error() != Errc::disk_full) {
      failed_ = true;
      ports_.on_failed(written.error());
    } else {
      failed_ = true;
    }
  }
  queue_.clear();
  writing_ = false;
}

io::Task<Result<>> RaftStorage::write(Step& step) {
  if (step.written.installed) {
    CO_RETURN_IF_ERROR(co_await wal_->install_snapshot(*step.written.installed));
    snapshot_index_ = step.written.installed->index;
  }
  const bool keeps_votes = !mutated(Mutation::forget_votes);
  if (step.batch.hard_state && keeps_votes) carried_.hard_state = step.batch.hard_state;
  if (!step.must_sync) co_return Result<>{};
  WalBatch batch = carried_;
  batch.entries = step.batch.entries;
  if (!batch.entries.empty() && batch.entries.front().index <= wal_->last_index()) {
    batch.truncate_from = batch.entries.front().index;
  }
  CO_RETURN_IF_ERROR(co_await wal_->append(std::move(batch)));
  carried_ = {};
  co_return Result<>{};
}

io::Task<void> RaftStorage::save_own(WalSnapshot snapshot) {
  const uint64_t index = snapshot.index;
  // One from the leader may have come in between.
  if (index > snapshot_index_) {
    if (auto saved = co_await wal_->save_snapshot(std::move(snapshot)); saved) {
      snapshot_index_ = index;
      snapshot_not_before_ = 0;
      ports_.on_snapshot(index);
    } else {
      // The log still has everything.
      snapshot_not_before_ = wal_->bytes_since_snapshot() + kSnapshotPause;
      ports_.log.warning("metadata snapshot failed", {{"cause", saved.error().message()}});
    }
  }
  saving_ = false;
}

io::Task<bool> RaftStorage::wait_for_space() {
  if (!std::exchange(full_, true)) ports_.log.warning("no space for the metadata log");
  const uint64_t ticket = closing_.ticket();
  if (closed_) co_return false;
  co_await closing_.wait(ticket, io::Loop::current()->now() + kRetryWhenFull);
  co_return !closed_;
}

io::Task<void> RaftStorage::close() {
  closed_ = true;
  closing_.notify_all();
  co_await writes_.join();
}

}  // namespace sluice::broker
