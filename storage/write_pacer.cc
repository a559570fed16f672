#include "storage/write_pacer.h"

#include <algorithm>

namespace sluice::storage {

void WritePacer::timed(Duration took) {
  if (took >= kSlow) {
    slow_writes_left_ = kSlowWrites;
  } else if (slow_writes_left_ > 0) {
    --slow_writes_left_;
  }
}

void WritePacer::wrote(uint64_t position, uint64_t bytes) {
  ++writes_;
  end_ = position + bytes;
}

std::optional<WritePacer::Range> WritePacer::write_back() {
  if (end_ < written_back_ + kWriteBackStep) return std::nullopt;
  const Range range{.position = written_back_, .length = end_ - written_back_};
  written_back_ = end_;
  return range;
}

std::optional<WritePacer::Range> WritePacer::reservation(uint64_t limit, TimePoint now) {
  if (!wants_space(limit)) return std::nullopt;
  if (reserved_at_ && now - *reserved_at_ < std::chrono::seconds(1)) {
    step_ = std::min(step_ * 2, kLargestStep);
  } else if (reserved_at_ && now - *reserved_at_ > std::chrono::seconds(10)) {
    step_ = std::max(step_ / 2, kSmallestStep);
  }
  reserved_at_ = now;
  const uint64_t from = std::max(end_, reserved_);
  reserved_ = std::min(from + step_, std::max(limit, end_));
  if (reserved_ <= from) return std::nullopt;
  return Range{.position = from, .length = reserved_ - from};
}

void WritePacer::restart(uint64_t bytes) {
  end_ = bytes;
  written_back_ = bytes;
  reserved_ = bytes + kSmallestStep;
}

}  // namespace sluice::storage
