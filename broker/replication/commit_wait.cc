#include "broker/replication/commit_wait.h"

#include "base/check.h"

namespace sluice::broker {

void CommitWaiters::link(CommitWaiter& waiter) {
  CHECK(waiter.in == nullptr, "a waiter waits once");
  // Appends wait in the order of their offsets, nearly always: from the back.
  CommitWaiter* before = last_;
  while (before != nullptr && before->until > waiter.until) before = before->previous;
  waiter.previous = before;
  waiter.next = before == nullptr ? first_ : before->next;
  (waiter.previous == nullptr ? first_ : waiter.previous->next) = &waiter;
  (waiter.next == nullptr ? last_ : waiter.next->previous) = &waiter;
  waiter.in = this;
}

void CommitWaiters::unlink(CommitWaiter& waiter) {
  CHECK(waiter.in == this, "only who waits can stop waiting");
  (waiter.previous == nullptr ? first_ : waiter.previous->next) = waiter.next;
  (waiter.next == nullptr ? last_ : waiter.next->previous) = waiter.previous;
  waiter.in = nullptr;
}

void CommitWaiters::reached(Offset by_now, Wakes& wakes) {
  while (first_ != nullptr && first_->until <= by_now) {
    CommitWaiter& waiter = *first_;
    unlink(waiter);
    wakes.add(*waiter.loop, waiter.handle);
  }
}

void CommitWaiters::fail(const Error& error, Wakes& wakes) {
  while (first_ != nullptr) {
    CommitWaiter& waiter = *first_;
    unlink(waiter);
    waiter.error = error;
    wakes.add(*waiter.loop, waiter.handle);
  }
}

}  // namespace sluice::broker
