#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/memory_budget.h"
#include "base/strong.h"
#include "storage/key_hash.h"

namespace sluice::storage {

/// The offset at which each key was seen last: what compaction compares with. 24 bytes a slot,
/// whatever the keys' sizes, in a table that doubles while the budget lets it.
class OffsetMap {
 public:
  /// The budget outlives the map. At most `max_bytes`, and at least room for some keys.
  OffsetMap(MemoryBudget& budget, size_t max_bytes, KeyHasher hasher);

  /// Notes that the key is at `offset`, larger than any before. False, and nothing changed, when
  /// the key is new and there is no room for it.
  [[nodiscard]] bool put(ByteView key, Offset offset);
  std::optional<Offset> find(ByteView key) const;
  size_t size() const { return size_; }

 private:
  struct Slot {
    KeyHash hash;
    Offset offset{-1};  // negative: free
  };
  Slot* slot_of(const KeyHash& hash, std::vector<Slot>& slots) const;
  bool has_room() const { return (size_ + 1) * 4 <= slots_.size() * 3; }
  bool grow();

  MemoryBudget& budget_;
  const size_t max_bytes_;
  const KeyHasher hasher_;
  Reservation charged_;
  std::vector<Slot> slots_;
  size_t size_ = 0;
};

}  // namespace sluice::storage
