#include "broker/replication/fetch_session.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "broker/replication/partition_table.h"

namespace sluice::broker {

void FetchSlot::moved(uint64_t bytes, Wakes& wakes) {
  FetchSession& session = *session_;
  if (!dirty_.exchange(true)) {
    next_dirty_ = session.dirty_.load();
    while (!session.dirty_.compare_exchange_weak(next_dirty_, this)) {
    }
  }
  // Sequentially consistent with wait(): either the waiter sees the bytes or this sees the waiter.
  const uint64_t moved = session.moved_bytes_.fetch_add(bytes) + bytes;
  if (moved >= session.wake_at_.load() && session.claim()) {
    wakes.add(*session.loop_, session.waiter_);
  }
}

FetchSession::FetchSession(MemoryBudget& budget, size_t max_partitions)
    : budget_(budget), max_partitions_(max_partitions) {}

FetchSession::~FetchSession() {
  CHECK(state_.load() == State::running, "a session outlives the fetch that waits on it");
  clear();
}

Result<> FetchSession::update(uint32_t epoch, std::span<const FetchTarget> targets,
                              std::span<const PartitionKey> forgotten, const PartitionTable& table,
                              WatchKind kind) {
  if (epoch == 0) {
    clear();
    open_ = true;
    epoch_ = 0;
    kind_ = kind;
  } else {
    if (!open_ || kind != kind_ || epoch != epoch_after(epoch_)) {
      return fail(Errc::unknown_session, "fetch session: epoch " + std::to_string(epoch) +
                                             " does not follow " + std::to_string(epoch_) +
                                             "; begin anew with epoch 0 and all partitions");
    }
    epoch_ = epoch;
  }
  absent_.clear();
  for (const PartitionKey& key : forgotten) forget(key);
  for (const FetchTarget& target : targets) RETURN_IF_ERROR(put(target, table));
  return {};
}

Result<> FetchSession::put(const FetchTarget& target, const PartitionTable& table) {
  auto at = slots_.find(target.key);
  if (at == slots_.end()) {
    // A broker cannot choose how many another one leads.
    const size_t most = kind_ == WatchKind::follower ? 10 * max_partitions_ : max_partitions_;
    if (slots_.size() + absent_.size() >= most) {
      return fail(Errc::too_many, "fetch session: more than " + std::to_string(most) +
                                      " partitions; use several connections");
    }
    const auto partition = table.find(target.key);
    if (partition == nullptr || partition->stopped()) {
      // Whoever makes names up must not fill the memory that other sessions need.
      absent_.push_back(target.key);
      return {};
    }
    if (memory_.size() == 0) {
      ASSIGN_OR_RETURN(memory_, budget_.reserve(kBytesPerSlot));
    } else {
      RETURN_IF_ERROR(memory_.grow(kBytesPerSlot));
    }
    at = slots_.emplace(target.key, std::make_unique<FetchSlot>()).first;
    at->second->session_ = this;
  }
  FetchSlot& slot = *at->second;
  slot.target = target;
  slot.noted = false;
  resolve(slot, table);
  make_ready(slot);
  return {};
}

void FetchSession::resolve(FetchSlot& slot, const PartitionTable& table) {
  if (slot.partition != nullptr && !slot.partition->stopped()) return;
  detach(slot);
  slot.partition = table.find(slot.target.key);
  if (slot.partition != nullptr && !slot.partition->watch(slot, kind_)) slot.partition = nullptr;
}

FetchSlot* FetchSession::find(const PartitionKey& key) {
  const auto at = slots_.find(key);
  return at == slots_.end() ? nullptr : at->second.get();
}

void FetchSession::detach(FetchSlot& slot) {
  if (slot.partition != nullptr) slot.partition->unwatch(slot);
  slot.partition = nullptr;
  slot.noted = false;
}

void FetchSession::forget(const PartitionKey& key) {
  const auto at = slots_.find(key);
  if (at == slots_.end()) return;
  detach(*at->second);
  collect();  // it may stand on the dirty list
  settle(*at->second);
  slots_.erase(at);
  memory_.shrink_to(slots_.size() * kBytesPerSlot);
}

void FetchSession::clear() {
  for (auto& [key, slot] : slots_) detach(*slot);
  dirty_.store(nullptr);
  slots_.clear();
  ready_first_ = ready_last_ = nullptr;
  ready_count_ = 0;
  memory_.release();
  open_ = false;
}

void FetchSession::collect() {
  // In this order, a move that comes in between is counted again: a wake too early, none lost.
  moved_bytes_.store(0);
  FetchSlot* slot = dirty_.exchange(nullptr);
  while (slot != nullptr) {
    FetchSlot* const next = slot->next_dirty_;
    slot->dirty_.store(false);
    make_ready(*slot);
    slot = next;
  }
}

void FetchSession::make_ready(FetchSlot& slot) {
  if (slot.ready_) return;
  slot.ready_ = true;
  slot.previous_ready_ = ready_last_;
  slot.next_ready_ = nullptr;
  (ready_last_ == nullptr ? ready_first_ : ready_last_->next_ready_) = &slot;
  ready_last_ = &slot;
  ++ready_count_;
}

void FetchSession::settle(FetchSlot& slot) {
  if (!slot.ready_) return;
  slot.ready_ = false;
  FetchSlot* const previous = slot.previous_ready_;
  FetchSlot* const next = slot.next_ready_;
  (previous == nullptr ? ready_first_ : previous->next_ready_) = next;
  (next == nullptr ? ready_last_ : next->previous_ready_) = previous;
  --ready_count_;
}

void FetchSession::told(const PartitionKey& key, Offset high_watermark, Offset log_start,
                        Offset bound) {
  const auto at = slots_.find(key);
  if (at == slots_.end()) return;
  FetchSlot& slot = *at->second;
  if (slot.partition == nullptr) return forget(key);
  slot.told_high_watermark = high_watermark;
  slot.told_log_start = log_start;
  settle(slot);
  if (high_watermark.value() < 0 || slot.target.offset < bound) make_ready(slot);
}

bool FetchSession::claim() {
  State expected = State::waiting;
  return state_.compare_exchange_strong(expected, State::claimed);
}

void FetchSession::cancel() {
  cancelled_ = true;
  if (claim()) loop_->post(waiter_);
}

struct FetchSession::Wait final : io::Timer {
  Wait(FetchSession& of, uint64_t bytes_, TimePoint deadline_)
      : session(of), bytes(bytes_), deadline(deadline_) {}

  void fire() override {
    if (!session.claim()) return;
    expired = true;
    session.loop_->post(session.waiter_);
  }

  bool await_ready() const { return session.cancelled_; }
  bool await_suspend(std::coroutine_handle<> self) {
    session.loop_ = io::Loop::current();
    session.waiter_ = self;
    session.wake_at_.store(bytes);
    session.loop_->arm(*this, deadline);
    session.state_.store(State::waiting);
    return session.moved_bytes_.load() < bytes || !session.claim();
  }
  Result<bool> await_resume() {
    if (armed()) session.loop_->disarm(*this);
    session.state_.store(State::running);
    if (session.cancelled_) return fail(Errc::cancelled);
    return !expired;
  }

  FetchSession& session;
  const uint64_t bytes;
  const TimePoint deadline;
  bool expired = false;
};

io::Task<Result<bool>> FetchSession::wait(uint64_t bytes, TimePoint deadline) {
  Wait moved(*this, bytes, deadline);
  co_return co_await moved;
}

}  // namespace sluice::broker
