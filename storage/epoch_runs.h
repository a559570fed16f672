#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/strong.h"
#include "proto/record/batch.h"
#include "storage/leader_epochs.h"
#include "storage/segment_file.h"

namespace sluice::storage {

/// Tells from a log's batches where its leader epochs begin. No checksum covers a batch's epoch: a
/// single one that does not fit in with those around it is taken for one that went bad.
class EpochRuns {
 public:
  /// The next batch.
  void add(LeaderEpoch epoch, Offset base);
  /// `with_last`: also that of the last batch, where it is a new one that nothing bears out yet.
  std::vector<LeaderEpochs::Entry> entries(bool with_last) const;

 private:
  LeaderEpoch current() const { return runs_.empty() ? LeaderEpoch{-1} : runs_.back().epoch; }

  std::vector<LeaderEpochs::Entry> runs_;
  std::optional<LeaderEpochs::Entry> single_;
};

/// Compares batches with what the log wrote down of its epochs. Where a single batch differs it is
/// the batch that went bad; where several in a row do, it is what was written down.
class EpochCheck {
 public:
  struct Misfit {
    std::shared_ptr<SegmentFile> file;
    uint32_t generation = 0;
    uint64_t position = 0;
    Offset base{0};
    LeaderEpoch found{-1};
    LeaderEpoch recorded{-1};
  };

  explicit EpochCheck(LeaderEpochs recorded) : recorded_(std::move(recorded)) {}

  /// The batches that are added next lie in this file.
  void begin(std::shared_ptr<SegmentFile> file, uint32_t generation);
  void add(const record::BatchHeader& batch, uint64_t position);
  /// All were added.
  void finish();

  const std::vector<Misfit>& misfits() const { return misfits_; }
  /// What the batches say, where what was written down is wrong.
  std::optional<std::vector<LeaderEpochs::Entry>> corrected() const;
  /// Behind the last batch.
  Offset end() const { return end_; }

 private:
  LeaderEpochs recorded_;
  EpochRuns runs_;
  std::shared_ptr<SegmentFile> file_;
  uint32_t generation_ = 0;
  Misfit last_;
  size_t in_a_row_ = 0;
  bool is_record_wrong_ = false;
  std::vector<Misfit> misfits_;
  Offset end_{0};
};

}  // namespace sluice::storage
