#include "broker/server/admission.h"

#include "base/check.h"

namespace sluice::broker {

void Grant::release() {
  if (auto* admission = std::exchange(admission_, nullptr)) {
    admission->give_back(traffic_, *account_, bytes_);
    account_.reset();
  }
}

Admission::~Admission() {
  CHECK(used_.load() == 0 && waiting() == 0, "admission outlives what it let in");
}

Admission::Refusal Admission::take(TrafficClass traffic, AddressAccount& account, size_t bytes) {
  // Adding first and looking after keeps the limits exact without a loop; an overshoot that is
  // taken back at once can only make another one wait that looks in between, and whoever takes it
  // back serves the waiters.
  if (used_.fetch_add(bytes) + bytes > limit(traffic)) {
    used_.fetch_sub(bytes);
    return Refusal::total;
  }
  auto& held = account.bytes[static_cast<size_t>(traffic)];
  const size_t before = held.fetch_add(bytes);
  if (before != 0 && before + bytes > limits_.per_address) {
    held.fetch_sub(bytes);
    used_.fetch_sub(bytes);
    return Refusal::address;
  }
  return Refusal::none;
}

std::optional<Grant> Admission::try_admit(TrafficClass traffic,
                                          const std::shared_ptr<AddressAccount>& account,
                                          size_t bytes) {
  // Others wait already: behind them.
  if (waiting_[static_cast<size_t>(traffic)].load() != 0) return std::nullopt;
  if (take(traffic, *account, bytes) == Refusal::none) return Grant(*this, traffic, account, bytes);
  if (waiting() != 0) {
    for (auto waiters : {TrafficClass::control, TrafficClass::client}) serve(waiters);
  }
  return std::nullopt;
}

io::Task<Result<Grant>> Admission::admit(Waiter& waiter) {
  CHECK(waiter.bytes <= largest(waiter.traffic), "nobody waits for what can never be let in");
  waits_.fetch_add(1, std::memory_order_relaxed);
  {
    std::lock_guard guard(mutex_);
    link(waiter);
  }
  // What was given back before the waiter was counted is seen here, all later by give_back().
  serve(waiter.traffic);
  if (!co_await waiter.admitted) co_return fail(Errc::cancelled);
  co_return Grant(*this, waiter.traffic, waiter.account, waiter.bytes);
}

void Admission::cancel(Waiter& waiter) {
  {
    std::lock_guard guard(mutex_);
    if (!waiter.linked) return;
    unlink(waiter);
  }
  waiter.admitted.set(false);
  serve(waiter.traffic);
}

void Admission::give_back(TrafficClass given, AddressAccount& account, size_t bytes) {
  account.bytes[static_cast<size_t>(given)].fetch_sub(bytes);
  used_.fetch_sub(bytes);
  for (auto traffic : {TrafficClass::control, TrafficClass::client}) {
    if (waiting_[static_cast<size_t>(traffic)].load() != 0) serve(traffic);
  }
}

void Admission::serve(TrafficClass traffic) {
  Waiter* served = nullptr;
  {
    std::lock_guard guard(mutex_);
    Waiter** tail = &served;
    Waiter* waiter = queues_[static_cast<size_t>(traffic)].first;
    while (waiter != nullptr) {
      Waiter* const next = waiter->next;
      const auto refusal = take(traffic, *waiter->account, waiter->bytes);
      if (refusal == Refusal::total) break;
      if (refusal == Refusal::none) {
        unlink(*waiter);
        *tail = waiter;
        tail = &waiter->next;
      }
      waiter = next;
    }
    *tail = nullptr;
  }
  // Without the lock, and with the next one known: a waiter is gone once it is told.
  while (served != nullptr) {
    Waiter* const waiter = std::exchange(served, served->next);
    waiter->admitted.set(true);
  }
}

void Admission::link(Waiter& waiter) {
  auto& queue = queues_[static_cast<size_t>(waiter.traffic)];
  waiter.previous = queue.last;
  waiter.next = nullptr;
  (queue.last != nullptr ? queue.last->next : queue.first) = &waiter;
  queue.last = &waiter;
  waiter.linked = true;
  waiting_[static_cast<size_t>(waiter.traffic)].fetch_add(1);
}

void Admission::unlink(Waiter& waiter) {
  auto& queue = queues_[static_cast<size_t>(waiter.traffic)];
  (waiter.previous != nullptr ? waiter.previous->next : queue.first) = waiter.next;
  (waiter.next != nullptr ? waiter.next->previous : queue.last) = waiter.previous;
  waiter.linked = false;
  waiting_[static_cast<size_t>(waiter.traffic)].fetch_sub(1);
}

}  // namespace sluice::broker
