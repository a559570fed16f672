#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "io/disk.h"
#include "storage/header_scan.h"

namespace sluice::storage {

/// Reads a segment from its start and checks every batch: structure, checksum, offsets that grow.
/// Reads a MiB at a time; batches larger than that are checked in pieces.
class SegmentCheck {
 public:
  /// Of a file of `size` bytes whose batches must lie in [base, limit), and if `dense` one right
  /// behind the other.
  SegmentCheck(std::shared_ptr<io::File> file, uint64_t size, Offset base, Offset limit,
               bool dense = false);

  /// The next good batch; nothing at the end and at a bad one, see failure(). Errors are the
  /// disk's.
  io::Task<Result<std::optional<PlacedHeader>>> next();

  /// Behind the last good batch.
  uint64_t position() const { return position_; }
  Offset expected() const { return expected_; }
  /// What is wrong with the bytes at position(); empty when the file ends there.
  const std::optional<std::string>& failure() const { return failure_; }

  /// After a failure: the file ends inside of what begins there, as a write leaves it that was not
  /// finished.
  bool is_cut_short() const { return cut_short_; }
  /// After a failure: nothing but zeros follows, as where the device lost what was in the cache.
  io::Task<Result<bool>> is_blank_behind();
  /// After a failure: whether there is a good batch anywhere behind position(). Looks at every
  /// byte.
  io::Task<Result<bool>> good_batch_behind();
  /// Where the damage of a failure begins. No checksum covers a batch's offset: where two overlap,
  /// either may be wrong.
  struct Damage {
    uint64_t position = 0;
    Offset from{0};
  };
  Damage damage() const;
  /// Goes on with the next good batch behind a failure, to which position() and expected() jump;
  /// false where there is none.
  io::Task<Result<bool>> skip_damage();

 private:
  using Next = Result<std::optional<PlacedHeader>>;
  static constexpr size_t kChunk = 1_MiB;

  io::Task<Next> next_slowly();
  io::Task<Result<>> fill(uint64_t position);
  ByteView buffered(uint64_t position) const;
  /// The batch at the start of `bytes` without its checksum; empty with failure_ set.
  std::optional<PlacedHeader> decode(ByteView bytes);
  Next accept(const PlacedHeader& batch, uint32_t crc);
  io::Task<Result<uint32_t>> crc_of(PlacedHeader batch);
  io::Task<Result<bool>> is_good_batch(uint64_t position);
  /// The first good batch behind position().
  io::Task<Result<std::optional<PlacedHeader>>> find_behind();

  const std::shared_ptr<io::File> file_;
  const uint64_t size_;
  uint64_t position_ = 0;
  Offset expected_;
  const Offset limit_;
  const bool dense_;
  /// The last good batch.
  Damage before_;
  bool overlaps_ = false;
  bool cut_short_ = false;
  std::optional<std::string> failure_;
  std::vector<std::byte> buffer_;
  uint64_t buffer_at_ = 0;
  size_t buffer_size_ = 0;
};

}  // namespace sluice::storage
