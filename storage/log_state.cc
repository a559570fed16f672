#include "storage/log_state.h"

#include <algorithm>

namespace sluice::storage {

void RecentBatches::add(Mark mark) {
  if (!marks_) marks_ = std::make_unique<std::array<Mark, kMarks>>();
  (*marks_)[count_++ % kMarks] = mark;
  held_ = std::min(held_ + 1, kMarks);
}

void RecentBatches::cut(Offset end) {
  while (held_ > 0 && newest(0).base >= end) {
    --held_;
    --count_;
  }
}

std::optional<uint32_t> RecentBatches::position_of(Offset offset) const {
  // Readers are mostly at the newest marks; ages ascend as offsets descend.
  size_t low = 0, high = held_;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (newest(middle).base <= offset) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  if (low == held_) return std::nullopt;
  return newest(low).position;
}

}  // namespace sluice::storage
