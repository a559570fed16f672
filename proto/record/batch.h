#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"

// Record batch v2 (magic 2, KIP-98): a header of 61 bytes, then the records, compressed as one
// block. All integers are big-endian.
namespace sluice::record {

/// Places of the header's fields, in bytes from the start of the batch.
inline constexpr size_t kBaseOffsetAt = 0;
inline constexpr size_t kBatchLengthAt = 8;
inline constexpr size_t kLeaderEpochAt = 12;
inline constexpr size_t kMagicAt = 16;
inline constexpr size_t kCrcAt = 17;
inline constexpr size_t kAttributesAt = 21;
inline constexpr size_t kLastOffsetDeltaAt = 23;
inline constexpr size_t kBaseTimestampAt = 27;
inline constexpr size_t kMaxTimestampAt = 35;
inline constexpr size_t kProducerIdAt = 43;
inline constexpr size_t kProducerEpochAt = 51;
inline constexpr size_t kBaseSequenceAt = 53;
inline constexpr size_t kRecordCountAt = 57;
inline constexpr size_t kHeaderSize = 61;

/// Bytes that the batch length does not count: base offset and the length itself.
inline constexpr size_t kLogOverhead = 12;
/// The CRC covers everything from here to the end, so base offset and leader epoch can be stamped
/// without computing it again.
inline constexpr size_t kCrcStart = kAttributesAt;
inline constexpr size_t kMaxBatchSize = std::numeric_limits<int32_t>::max();
inline constexpr int8_t kMagic = 2;
inline constexpr int32_t kNoSequence = -1;

enum class Codec : int8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };
enum class TimestampType : int8_t { create_time = 0, log_append_time = 1 };

inline constexpr int16_t kCodecMask = 0x07;
inline constexpr int16_t kLogAppendTimeBit = 0x08;
inline constexpr int16_t kTransactionalBit = 0x10;
inline constexpr int16_t kControlBit = 0x20;
inline constexpr int16_t kDeleteHorizonBit = 0x40;

/// The header in typed form; a value. `batch_length` is the bytes behind that field.
struct BatchHeader {
  Offset base_offset{0};
  int32_t batch_length = 0;
  LeaderEpoch leader_epoch{-1};
  int8_t magic = kMagic;
  uint32_t crc = 0;
  int16_t attributes = 0;
  int32_t last_offset_delta = 0;
  Timestamp base_timestamp = kNoTimestamp;
  Timestamp max_timestamp = kNoTimestamp;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch{-1};
  int32_t base_sequence = kNoSequence;
  int32_t record_count = 0;

  Offset last_offset() const { return base_offset + last_offset_delta; }
  Offset next_offset() const { return last_offset() + 1; }
  /// The whole batch, header included.
  size_t size_in_bytes() const { return kLogOverhead + static_cast<size_t>(batch_length); }
  /// May hold a value that no enumerator names; such batches are refused at produce only.
  Codec codec() const { return static_cast<Codec>(attributes & kCodecMask); }
  bool has_known_codec() const { return codec() <= Codec::zstd; }
  bool is_compressed() const { return codec() != Codec::none; }
  bool is_transactional() const { return (attributes & kTransactionalBit) != 0; }
  bool is_control() const { return (attributes & kControlBit) != 0; }
  bool has_producer() const { return producer_id.value() >= 0; }
  /// Sequence of the last record; after 2^31-1 comes 0. Only for batches with a sequence.
  int32_t last_sequence() const {
    return static_cast<int32_t>(
        (static_cast<uint32_t>(base_sequence) + static_cast<uint32_t>(last_offset_delta)) &
        0x7fffffffu);
  }
  TimestampType timestamp_type() const {
    return (attributes & kLogAppendTimeBit) != 0 ? TimestampType::log_append_time
                                                 : TimestampType::create_time;
  }
  /// When compaction may drop the batch's tombstones (KIP-534); it stands in the base timestamp.
  std::optional<Timestamp> delete_horizon() const {
    if ((attributes & kDeleteHorizonBit) == 0) return std::nullopt;
    return base_timestamp;
  }

  friend bool operator==(const BatchHeader&, const BatchHeader&) = default;
};

/// Reads the header at the start of `bytes`, which may hold less or more than the batch. Looks at
/// no byte behind the header, so the CRC is not checked.
/// Errors: corrupt_batch (fewer than 61 bytes, a length below the header's or beyond 2 GiB, magic
/// above 2, negative counts or offsets), invalid_record (magic 0 or 1).
Result<BatchHeader> decode_header(ByteView bytes);

/// Reads the 61 bytes at `at` and checks nothing, for who checks in an order of their own.
BatchHeader load_header(const std::byte* at);

/// Writes the 61 bytes of the header; `to` holds at least as many.
void encode_header(const BatchHeader& header, MutableBytes to);

/// CRC-32C of a whole batch, as the header should carry it. `batch` is exactly one batch.
uint32_t compute_crc(ByteView batch);

/// Assigns base offset and leader epoch in the stored bytes. The CRC covers neither.
void stamp(MutableBytes batch, Offset base, LeaderEpoch epoch);

/// Turns the batch into one of LogAppendTime: sets the attribute and the max timestamp, leaves the
/// base timestamp, recomputes the CRC over the batch. `batch` is exactly one batch.
void stamp_log_append_time(MutableBytes batch, Timestamp now);

/// Assigns the producer's identity and recomputes the CRC. `batch` is exactly one batch.
void stamp_producer(MutableBytes batch, ProducerId id, ProducerEpoch epoch, int32_t base_sequence);

/// One whole batch: the decoded header over borrowed bytes, which must outlive it.
class BatchView {
 public:
  /// The batch at the start of `bytes`; what follows it is left alone. Errors as decode_header, and
  /// corrupt_batch when the batch does not end inside `bytes`.
  static Result<BatchView> parse(ByteView bytes);

  const BatchHeader& header() const { return header_; }
  ByteView bytes() const { return bytes_; }
  /// The records, compressed or not.
  ByteView payload() const { return bytes_.subspan(kHeaderSize); }
  /// Reads every byte of the batch.
  bool crc_matches() const { return compute_crc(bytes_) == header_.crc; }

 private:
  BatchView(const BatchHeader& header, ByteView bytes) : header_(header), bytes_(bytes) {}

  BatchHeader header_;
  ByteView bytes_;
};

/// Walks consecutive batches in borrowed bytes, such as a fetch response, whose last batch may be
/// cut off.
class BatchCursor {
 public:
  explicit BatchCursor(ByteView bytes) : bytes_(bytes) {}

  /// The next whole batch; nothing at the end or when the rest begins a batch that is cut off.
  /// Errors as decode_header; the position then stays at the bad batch and so does the error.
  [[nodiscard]] Result<std::optional<BatchView>> next();

  /// Where the first batch that was not returned begins, in bytes from the start.
  size_t position() const { return position_; }
  /// Bytes from position() on: empty when the range ended with a batch.
  ByteView rest() const { return bytes_.subspan(position_); }

 private:
  ByteView bytes_;
  size_t position_ = 0;
};

}  // namespace sluice::record
