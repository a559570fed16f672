#include "storage/index_fit.h"

#include <utility>

namespace sluice::storage {
namespace {

template <class T>
void put(std::vector<std::byte>& to, T value) {
  to.resize(to.size() + sizeof(T));
  store_be<T>(to.data() + to.size() - sizeof(T), value);
}

}  // namespace

void IndexFit::add(const record::BatchHeader& batch, uint64_t position) {
  if (batch.record_count > 0 && batch.max_timestamp > largest_) {
    largest_ = batch.max_timestamp;
    largest_at_ = batch.last_offset();
  }
  for (; next_offset_ < offsets_.size(); ++next_offset_) {
    const auto entry = offsets_[next_offset_];
    if (entry.position > position) break;
    fits_ &= entry.position == position && entry.last_offset == batch.last_offset();
  }
  for (; next_time_ < times_.size(); ++next_time_) {
    const auto entry = times_[next_time_];
    if (entry.offset > batch.last_offset()) break;
    fits_ &= entry.timestamp == largest_;
  }
  if (since_entry_ > interval_) {
    put(made_.offsets, static_cast<int32_t>(batch.last_offset() - base_));
    put(made_.offsets, static_cast<int32_t>(position));
    add_time();
    since_entry_ = 0;
  }
  since_entry_ += batch.size_in_bytes();
}

bool IndexFit::fits_sealed() const {
  if (next_offset_ < offsets_.size() || next_time_ < times_.size()) return false;
  if (largest_ == kNoTimestamp) return fits_;
  return fits_ && times_.size() > 0 && times_[times_.size() - 1].timestamp == largest_;
}

void IndexFit::add_time() {
  if (largest_ <= written_) return;
  put(made_.times, largest_.value());
  put(made_.times, static_cast<int32_t>(largest_at_ - base_));
  written_ = largest_;
}

IndexFiles IndexFit::made_anew() {
  add_time();
  return std::exchange(made_, {});
}

}  // namespace sluice::storage
