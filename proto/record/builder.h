#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "proto/record/batch.h"
#include "proto/record/compression.h"
#include "proto/record/records.h"

namespace sluice::record {

/// What the header of a finished batch says beyond what its records tell.
struct BatchSpec {
  Codec codec = Codec::none;
  std::optional<int> compression_level;
  Offset base_offset{0};
  LeaderEpoch leader_epoch{-1};
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch{-1};
  int32_t base_sequence = kNoSequence;
  bool transactional = false;
  bool control = false;
  /// The base timestamp is a delete horizon (KIP-534), set by start_at().
  bool has_delete_horizon = false;
  TimestampType timestamp_type = TimestampType::create_time;
  /// When the header is to cover more offsets than the records left in it, as after compaction;
  /// at least the delta of the last record.
  std::optional<int32_t> last_offset_delta;
  /// Else the largest timestamp appended.
  std::optional<Timestamp> max_timestamp;
};

/// At most so many bytes a record takes in a batch, for any timestamp and offset.
size_t max_record_size(size_t key_size, size_t value_size,
                       std::span<const HeaderView> headers = {});
/// At most so many bytes a batch of that one record takes: a buffer of this size never refuses it.
size_t max_batch_size(size_t key_size, size_t value_size, std::span<const HeaderView> headers = {});

/// Says that the batch is written behind what `out` holds. It grows as needed, up to the format's
/// 2 GiB, and must not be touched until finish().
struct Growing {
  std::vector<std::byte>& out;
};

/// Encodes records as they come, into bytes the caller owns; allocates nothing for a record.
/// Reusable by reset(). Not thread-safe.
class BatchBuilder {
 public:
  /// The batch is written at the start of `buffer` (at least kHeaderSize bytes) and is full when
  /// the buffer is. The buffer must outlive the use of the builder.
  explicit BatchBuilder(MutableBytes buffer);
  explicit BatchBuilder(Growing to);
  /// Ambiguous: say MutableBytes(v) for a fixed buffer, Growing{v} for one that grows.
  explicit BatchBuilder(std::vector<std::byte>&) = delete;

  /// Starts over with an empty batch, in place.
  void reset();
  void reset(MutableBytes buffer);

  /// Fixes the base timestamp, before the first append; else it is the first record's.
  void start_at(Timestamp base);

  /// Adds a record with the next offset. False, and nothing changed, when it does not fit.
  [[nodiscard]] bool append(std::optional<ByteView> key, std::optional<ByteView> value,
                            std::span<const HeaderView> headers, Timestamp timestamp);
  /// The same at an offset of one's own, larger than the last record's, as compaction keeps them.
  [[nodiscard]] bool append_at(int32_t offset_delta, std::optional<ByteView> key,
                               std::optional<ByteView> value, std::span<const HeaderView> headers,
                               Timestamp timestamp);

  bool empty() const { return record_count_ == 0; }
  int32_t record_count() const { return record_count_; }
  /// Header and records so far, not compressed.
  size_t size_in_bytes() const { return static_cast<size_t>(at_ - begin_); }
  Timestamp max_timestamp() const { return max_timestamp_; }

  /// Compresses the records in place, unless that makes them no smaller (then the batch says
  /// "none"), writes header and CRC and returns the whole batch: a view of the buffer, or of what
  /// was added to the vector. `compressor` and `scratch` are not used for Codec::none. Nothing may
  /// be appended afterwards before reset(). Errors as Compressor::compress; the batch is then as it
  /// was before.
  Result<MutableBytes> finish(const BatchSpec& spec, Compressor& compressor,
                              std::vector<std::byte>& scratch);
  /// For Codec::none only.
  MutableBytes finish(const BatchSpec& spec);

 private:
  bool grow(size_t needed);
  MutableBytes seal(const BatchSpec& spec, Codec codec);

  std::byte* begin_ = nullptr;
  std::byte* at_ = nullptr;
  std::byte* end_ = nullptr;
  std::vector<std::byte>* grown_ = nullptr;
  size_t start_ = 0;
  Timestamp base_timestamp_ = kNoTimestamp;
  Timestamp max_timestamp_ = kNoTimestamp;
  bool has_base_timestamp_ = false;
  bool finished_ = false;
  int32_t last_offset_delta_ = -1;
  int32_t record_count_ = 0;
};

}  // namespace sluice::record
