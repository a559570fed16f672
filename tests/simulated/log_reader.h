#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/strong.h"
#include "proto/record/batch.h"
#include "tests/sim/disk_image.h"

namespace sluice::sim {

/// Reads the headers of a log's batches from a disk, behind the back of the broker that writes it,
/// each once.
class LogReader {
 public:
  /// The log's folder; does not exist yet, maybe.
  explicit LogReader(std::string folder) : folder_(std::move(folder)) {}

  /// The next batch to be visited begins here, or behind a gap.
  Offset next() const { return next_; }
  /// Begins anew: the log was cut before next().
  void rewind();
  /// Visits whole batches that end at or before `end` and were not visited. Stops early where the
  /// disk does not have them.
  void visit(const DiskImage& disk, Offset end,
             const std::function<void(const record::BatchHeader&)>& each);

 private:
  bool open_first(const DiskImage& disk);

  std::string folder_;
  std::string file_;
  uint64_t position_ = 0;
  Offset next_{0};
};

}  // namespace sluice::sim
