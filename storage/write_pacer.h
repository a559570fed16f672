#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/time.h"
#include "io/disk.h"

namespace sluice::storage {

/// Decides how a log writes: on the caller's loop or off it, when to start write-back, and how much
/// space to reserve ahead. Pure; the writer asks and does.
class WritePacer {
 public:
  struct Range {
    uint64_t position = 0;
    uint64_t length = 0;
  };

  /// Writes go to the caller's thread while they are quick; after a slow one (the kernel throttles
  /// who dirties pages faster than the device takes them) the next ones go elsewhere.
  io::Lane lane() const { return slow_writes_left_ > 0 ? io::Lane::background : io::Lane::hot; }
  /// Whether the next write's duration is wanted: every so often, to keep clock reads off the path.
  bool wants_timing() const { return slow_writes_left_ > 0 || writes_ % kTimedEvery == 0; }
  void timed(Duration took);

  /// `bytes` were written at `position` of the active segment.
  void wrote(uint64_t position, uint64_t bytes);
  /// What to begin writing back, once.
  std::optional<Range> write_back();
  /// What to reserve, once; in steps that double while they are used up within a second and halve
  /// when one lasts longer than ten, so that a partition with few writes takes little. `limit` is
  /// the segment's size.
  std::optional<Range> reservation(uint64_t limit, TimePoint now);
  /// Whether reservation() may have something: to be asked before a clock is read.
  bool wants_space(uint64_t limit) const {
    return end_ + kReserveAhead >= reserved_ && reserved_ < limit;
  }
  /// A new or shortened segment that ends at `bytes`.
  void restart(uint64_t bytes);

 private:
  static constexpr uint64_t kTimedEvery = 8;
  static constexpr Duration kSlow = std::chrono::milliseconds(4);
  static constexpr uint32_t kSlowWrites = 64;
  static constexpr uint64_t kWriteBackStep = 8_MiB;
  static constexpr uint64_t kSmallestStep = 1_MiB;
  static constexpr uint64_t kLargestStep = 64_MiB;
  static constexpr uint64_t kReserveAhead = 64_KiB;

  uint64_t writes_ = 0;
  uint32_t slow_writes_left_ = 0;
  uint64_t end_ = 0;
  uint64_t written_back_ = 0;
  /// Nothing is reserved for a segment's first step of bytes.
  uint64_t reserved_ = kSmallestStep;
  uint64_t step_ = kSmallestStep;
  std::optional<TimePoint> reserved_at_;
};

}  // namespace sluice::storage
