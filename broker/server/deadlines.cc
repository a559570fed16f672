#include "broker/server/deadlines.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::broker {

DeadlineWheel::~DeadlineWheel() {
  CHECK(members_ == 0, "a deadline leaves its wheel before the wheel dies");
}

void DeadlineWheel::add(Deadline& deadline) {
  CHECK(!deadline.linked_, "a deadline is in one wheel once");
  const TimePoint now = loop_.now();
  if (members_++ == 0 && !armed()) {
    next_tick_ = now + tick_;
    loop_.arm(*this, next_tick_);
  }
  file(deadline, now);
}

void DeadlineWheel::remove(Deadline& deadline) {
  if (!deadline.linked_) return;
  unlink(deadline);
  if (--members_ == 0 && armed()) loop_.disarm(*this);
}

void DeadlineWheel::moved_up(Deadline& deadline) {
  if (!deadline.linked_) return;
  unlink(deadline);
  file(deadline, loop_.now());
}

void DeadlineWheel::file(Deadline& deadline, TimePoint now) {
  // The slot of the first tick at or after it; what is further away than a round comes by again.
  const TimePoint due = deadline.due(now);
  const auto ticks = due <= next_tick_ ? 0 : (due - next_tick_ + tick_ - Duration(1)) / tick_;
  deadline.slot_ =
      (current_ + static_cast<size_t>(std::clamp<int64_t>(ticks, 0, kSlots - 1))) % kSlots;
  Deadline*& first = slots_[deadline.slot_];
  deadline.previous_ = nullptr;
  deadline.next_ = first;
  if (first != nullptr) first->previous_ = &deadline;
  first = &deadline;
  deadline.linked_ = true;
}

void DeadlineWheel::unlink(Deadline& deadline) {
  (deadline.previous_ != nullptr ? deadline.previous_->next_ : slots_[deadline.slot_]) =
      deadline.next_;
  if (deadline.next_ != nullptr) deadline.next_->previous_ = deadline.previous_;
  deadline.linked_ = false;
}

void DeadlineWheel::fire() {
  const TimePoint now = loop_.now();
  while (next_tick_ <= now && members_ > 0) {
    const size_t slot = std::exchange(current_, (current_ + 1) % kSlots);
    next_tick_ += tick_;
    // Through a list of its own: one that is filed again may land in this slot, a round later, and
    // one that expires may remove others.
    slots_[kFiring] = std::exchange(slots_[slot], nullptr);
    for (auto* member = slots_[kFiring]; member != nullptr; member = member->next_) {
      member->slot_ = kFiring;
    }
    while (slots_[kFiring] != nullptr) {
      Deadline& deadline = *slots_[kFiring];
      unlink(deadline);
      if (deadline.due(now) > now) {
        file(deadline, now);
      } else {
        --members_;
        deadline.expired();
      }
    }
  }
  if (members_ > 0) loop_.arm(*this, next_tick_);
}

}  // namespace sluice::broker
