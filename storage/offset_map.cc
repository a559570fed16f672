#include "storage/offset_map.h"

#include <utility>

namespace sluice::storage {
namespace {

constexpr size_t kFirstSlots = 1024;

}  // namespace

OffsetMap::OffsetMap(MemoryBudget& budget, size_t max_bytes, KeyHasher hasher)
    : budget_(budget), max_bytes_(max_bytes), hasher_(hasher) {}

OffsetMap::Slot* OffsetMap::slot_of(const KeyHash& hash, std::vector<Slot>& slots) const {
  const size_t mask = slots.size() - 1;
  for (size_t at = hash.low & mask;; at = (at + 1) & mask) {
    Slot& slot = slots[at];
    if (slot.offset.value() < 0 || slot.hash == hash) return &slot;
  }
}

bool OffsetMap::put(ByteView key, Offset offset) {
  const KeyHash hash = hasher_(key);
  if (slots_.empty() && !grow()) return false;
  Slot* slot = slot_of(hash, slots_);
  if (slot->offset.value() < 0) {
    if (!has_room()) {
      if (!grow()) return false;
      slot = slot_of(hash, slots_);
    }
    ++size_;
    slot->hash = hash;
  }
  slot->offset = offset;
  return true;
}

std::optional<Offset> OffsetMap::find(ByteView key) const {
  if (slots_.empty()) return std::nullopt;
  const KeyHash hash = hasher_(key);
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash.low & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.offset.value() < 0) return std::nullopt;
    if (slot.hash == hash) return slot.offset;
  }
}

bool OffsetMap::grow() {
  const size_t slots = slots_.empty() ? kFirstSlots : slots_.size() * 2;
  // The first table comes even above the limit: a pass must get on by some keys.
  if (!slots_.empty() && slots * sizeof(Slot) > max_bytes_) return false;
  auto charge = budget_.reserve(slots * sizeof(Slot));
  if (!charge) return false;
  std::vector<Slot> larger(slots);
  for (const Slot& slot : slots_)
    if (slot.offset.value() >= 0) *slot_of(slot.hash, larger) = slot;
  slots_ = std::move(larger);
  charged_ = std::move(*charge);
  return true;
}

}  // namespace sluice::storage
