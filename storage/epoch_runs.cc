#include "storage/epoch_runs.h"

#include <utility>

namespace sluice::storage {
namespace {

/// More are corrected by the next check.
constexpr size_t kMostMisfits = 64;

}  // namespace

void EpochRuns::add(LeaderEpoch epoch, Offset base) {
  if (epoch.value() < 0) return;
  if (!single_) {
    if (epoch != current()) single_ = {epoch, base};
    return;
  }
  const LeaderEpochs::Entry before = *std::exchange(single_, std::nullopt);
  if (epoch == current()) return;
  const bool is_borne_out = epoch >= before.epoch;
  if (before.epoch > current() && is_borne_out) runs_.push_back(before);
  if (epoch != before.epoch) single_ = {epoch, base};
}

std::vector<LeaderEpochs::Entry> EpochRuns::entries(bool with_last) const {
  auto all = runs_;
  if (with_last && single_ && single_->epoch > current()) all.push_back(*single_);
  return all;
}

void EpochCheck::begin(std::shared_ptr<SegmentFile> file, uint32_t generation) {
  file_ = std::move(file);
  generation_ = generation;
}

void EpochCheck::add(const record::BatchHeader& batch, uint64_t position) {
  end_ = batch.next_offset();
  runs_.add(batch.leader_epoch, batch.base_offset);
  const auto recorded = recorded_.epoch_at(batch.base_offset);
  const bool fits = !recorded || batch.leader_epoch.value() < 0 || *recorded == batch.leader_epoch;
  if (fits) return finish();
  // The second in a row speaks for the first, and both against what was written down.
  if (++in_a_row_ > 1) return;
  last_ = {.file = file_,
           .generation = generation_,
           .position = position,
           .base = batch.base_offset,
           .found = batch.leader_epoch,
           .recorded = *recorded};
}

void EpochCheck::finish() {
  is_record_wrong_ |= in_a_row_ > 1;
  if (in_a_row_ == 1 && misfits_.size() < kMostMisfits) misfits_.push_back(std::move(last_));
  in_a_row_ = 0;
}

std::optional<std::vector<LeaderEpochs::Entry>> EpochCheck::corrected() const {
  if (!is_record_wrong_) return std::nullopt;
  return runs_.entries(true);
}

}  // namespace sluice::storage
