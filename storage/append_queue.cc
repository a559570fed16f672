#include "storage/append_queue.h"

#include "base/check.h"

namespace sluice::storage {

bool AppendQueue::enter(LogWaiter& waiter) {
  if (!held_) {
    held_ = true;
    return true;
  }
  (tail_ == nullptr ? head_ : tail_->next) = &waiter;
  tail_ = &waiter;
  return false;
}

LogWaiter* AppendQueue::pop() {
  LogWaiter* first = head_;
  head_ = first->next;
  if (head_ == nullptr) tail_ = nullptr;
  return first;
}

PendingAppend* AppendQueue::take_append(size_t max_bytes) {
  if (head_ == nullptr || !head_->is_append) return nullptr;
  if (static_cast<PendingAppend*>(head_)->request.batch.size() > max_bytes) return nullptr;
  return static_cast<PendingAppend*>(pop());
}

LogWaiter* AppendQueue::leave() {
  CHECK(held_, "who gives up the writer's role has it");
  if (head_ != nullptr) return pop();
  held_ = false;
  return nullptr;
}

}  // namespace sluice::storage
