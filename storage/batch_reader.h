#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "io/disk.h"

namespace sluice::storage {

/// Reads a segment's file in runs of whole batches, for work that looks at all of
/// it. The buffer is charged to the budget, which outlives the reader.
class BatchReader {
 public:
  /// `bytes`: where to end; `from`: where to begin, the start of a batch.
  BatchReader(std::shared_ptr<io::File> file, uint64_t bytes, MemoryBudget& budget,
              uint64_t from = 0)
      : file_(std::move(file)), bytes_(bytes), budget_(budget), next_position_(from) {}

  /// The next run, at least one batch; empty at the end. Lives until the next call. corrupt_batch
  /// where no whole batch is, out_of_memory when a batch finds no room.
  io::Task<Result<ByteView>> next();
  /// Where the last run began, in bytes from the start.
  uint64_t position() const { return position_; }

 private:
  Result<> make_room(size_t size);
  /// Bytes of whole batches at the start of the buffer; of the first one, when that is cut off.
  Result<size_t> whole_batches(size_t filled) const;

  std::shared_ptr<io::File> file_;
  const uint64_t bytes_;
  MemoryBudget& budget_;
  Reservation charged_;
  std::vector<std::byte> buffer_;
  uint64_t position_ = 0;
  uint64_t next_position_;
};

}  // namespace sluice::storage
