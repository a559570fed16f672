#include "storage/file_cache.h"

#include <utility>

namespace sluice::storage {

void FileCache::opened(Evictable& member, size_t bytes) {
  Closing closing;
  std::lock_guard lock(mutex_);
  member.mark_used();
  bytes_ += bytes - std::exchange(member.bytes_, bytes);
  if (member.slot_ == Evictable::kNotHeld) {
    member.slot_ = ring_.size();
    ring_.push_back(&member);
  }
  close_down_to(limit_, &member, closing);
}

void FileCache::grew(Evictable& member, size_t bytes) {
  std::lock_guard lock(mutex_);
  if (member.slot_ != Evictable::kNotHeld) bytes_ += bytes - std::exchange(member.bytes_, bytes);
}

size_t FileCache::shrink_to(size_t open) {
  Closing closing;
  {
    std::lock_guard lock(mutex_);
    close_down_to(open, nullptr, closing);
  }
  return closing.size();
}

void FileCache::close_down_to(size_t open, const Evictable* keep, Closing& closing) {
  // Two rounds clear every mark; what is left then cannot be closed.
  const auto is_over = [&] { return ring_.size() > open || bytes_ > most_bytes_; };
  for (size_t steps = 2 * ring_.size(); is_over() && steps > 0; --steps) {
    if (hand_ >= ring_.size()) hand_ = 0;
    Evictable* at = ring_[hand_];
    if (at == keep || at->used_.exchange(false, std::memory_order_relaxed)) {
      ++hand_;
      continue;
    }
    auto held = at->evict();
    if (!held) {
      ++hand_;
      continue;
    }
    closing.push_back(std::move(held));
    remove(hand_);
  }
}

void FileCache::forget(Evictable& member) {
  std::lock_guard lock(mutex_);
  if (member.slot_ != Evictable::kNotHeld) remove(member.slot_);
}

void FileCache::remove(size_t slot) {
  ring_[slot]->slot_ = Evictable::kNotHeld;
  bytes_ -= std::exchange(ring_[slot]->bytes_, 0);
  ring_[slot] = ring_.back();
  if (slot + 1 < ring_.size()) ring_[slot]->slot_ = slot;
  ring_.pop_back();
}

size_t FileCache::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

size_t FileCache::open() const {
  std::lock_guard lock(mutex_);
  return ring_.size();
}

}  // namespace sluice::storage
