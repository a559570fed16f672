#include "proto/record/batch.h"

#include <string>

#include "base/check.h"
#include "base/crc32c.h"

namespace sluice::record {
namespace {

/// The smallest batch length: a header without records.
constexpr int32_t kMinBatchLength = kHeaderSize - kLogOverhead;

/// What can be told from the first bytes of a batch, however few are there. A zeroed or foreign
/// tail is found out here instead of being taken for a batch that is cut off.
Result<> check_prefix(ByteView bytes) {
  if (bytes.size() >= kLogOverhead) {
    const auto length = load_be<int32_t>(bytes.data() + kBatchLengthAt);
    if (length < kMinBatchLength || length > static_cast<int64_t>(kMaxBatchSize - kLogOverhead)) {
      return fail(Errc::corrupt_batch, "batch length " + std::to_string(length) +
                                           " is outside of 49 to 2147483635 bytes");
    }
  }
  if (bytes.size() > kMagicAt) {
    const auto magic = static_cast<int8_t>(bytes[kMagicAt]);
    if (magic == 0 || magic == 1) {
      return fail(Errc::invalid_record,
                  "record format " + std::to_string(magic) + " is too old, 2 is required");
    }
    if (magic != kMagic) {
      return fail(Errc::corrupt_batch, "record format " + std::to_string(magic) + " is not known");
    }
  }
  return {};
}

void stamp_crc(MutableBytes batch) { store_be(batch.data() + kCrcAt, compute_crc(batch)); }

}  // namespace

BatchHeader load_header(const std::byte* at) {
  return {
      .base_offset = Offset(load_be<int64_t>(at + kBaseOffsetAt)),
      .batch_length = load_be<int32_t>(at + kBatchLengthAt),
      .leader_epoch = LeaderEpoch(load_be<int32_t>(at + kLeaderEpochAt)),
      .magic = static_cast<int8_t>(at[kMagicAt]),
      .crc = load_be<uint32_t>(at + kCrcAt),
      .attributes = load_be<int16_t>(at + kAttributesAt),
      .last_offset_delta = load_be<int32_t>(at + kLastOffsetDeltaAt),
      .base_timestamp = Timestamp(load_be<int64_t>(at + kBaseTimestampAt)),
      .max_timestamp = Timestamp(load_be<int64_t>(at + kMaxTimestampAt)),
      .producer_id = ProducerId(load_be<int64_t>(at + kProducerIdAt)),
      .producer_epoch = ProducerEpoch(load_be<int16_t>(at + kProducerEpochAt)),
      .base_sequence = load_be<int32_t>(at + kBaseSequenceAt),
      .record_count = load_be<int32_t>(at + kRecordCountAt),
  };
}

void encode_header(const BatchHeader& header, MutableBytes to) {
  CHECK(to.size() >= kHeaderSize, "a batch header takes 61 bytes");
  std::byte* at = to.data();
  store_be(at + kBaseOffsetAt, header.base_offset.value());
  store_be(at + kBatchLengthAt, header.batch_length);
  store_be(at + kLeaderEpochAt, header.leader_epoch.value());
  at[kMagicAt] = static_cast<std::byte>(header.magic);
  store_be(at + kCrcAt, header.crc);
  store_be(at + kAttributesAt, header.attributes);
  store_be(at + kLastOffsetDeltaAt, header.last_offset_delta);
  store_be(at + kBaseTimestampAt, header.base_timestamp.value());
  store_be(at + kMaxTimestampAt, header.max_timestamp.value());
  store_be(at + kProducerIdAt, header.producer_id.value());
  store_be(at + kProducerEpochAt, header.producer_epoch.value());
  store_be(at + kBaseSequenceAt, header.base_sequence);
  store_be(at + kRecordCountAt, header.record_count);
}

Result<BatchHeader> decode_header(ByteView bytes) {
  RETURN_IF_ERROR(check_prefix(bytes));
  if (bytes.size() < kHeaderSize) {
    return fail(Errc::corrupt_batch,
                std::to_string(bytes.size()) + " bytes are fewer than the 61 of a batch header");
  }
  const BatchHeader header = load_header(bytes.data());
  const int64_t base = header.base_offset.value();
  if (base < 0 || header.last_offset_delta < 0 ||
      base > std::numeric_limits<int64_t>::max() - 1 - header.last_offset_delta) {
    return fail(Errc::corrupt_batch,
                "base offset " + std::to_string(base) + " with last offset delta " +
                    std::to_string(header.last_offset_delta) + " makes no range of offsets");
  }
  // A compacted batch has fewer records than offsets, down to none; more it cannot have.
  if (header.record_count < 0 || header.record_count - 1 > header.last_offset_delta) {
    return fail(Errc::corrupt_batch, std::to_string(header.record_count) +
                                         " records do not fit a last offset delta of " +
                                         std::to_string(header.last_offset_delta));
  }
  return header;
}

uint32_t compute_crc(ByteView batch) {
  CHECK(batch.size() >= kHeaderSize, "a batch has at least its header");
  return crc32c(batch.subspan(kCrcStart));
}

void stamp(MutableBytes batch, Offset base, LeaderEpoch epoch) {
  CHECK(batch.size() >= kHeaderSize, "a batch has at least its header");
  store_be(batch.data() + kBaseOffsetAt, base.value());
  store_be(batch.data() + kLeaderEpochAt, epoch.value());
}

void stamp_log_append_time(MutableBytes batch, Timestamp now) {
  CHECK(batch.size() >= kHeaderSize, "a batch has at least its header");
  std::byte* attributes = batch.data() + kAttributesAt;
  store_be(attributes, static_cast<int16_t>(load_be<int16_t>(attributes) | kLogAppendTimeBit));
  store_be(batch.data() + kMaxTimestampAt, now.value());
  stamp_crc(batch);
}

void stamp_producer(MutableBytes batch, ProducerId id, ProducerEpoch epoch, int32_t base_sequence) {
  CHECK(batch.size() >= kHeaderSize, "a batch has at least its header");
  store_be(batch.data() + kProducerIdAt, id.value());
  store_be(batch.data() + kProducerEpochAt, epoch.value());
  store_be(batch.data() + kBaseSequenceAt, base_sequence);
  stamp_crc(batch);
}

Result<BatchView> BatchView::parse(ByteView bytes) {
  ASSIGN_OR_RETURN(const BatchHeader header, decode_header(bytes));
  if (header.size_in_bytes() > bytes.size()) {
    return fail(Errc::corrupt_batch, "a batch of " + std::to_string(header.size_in_bytes()) +
                                         " bytes is cut off after " + std::to_string(bytes.size()));
  }
  return BatchView(header, bytes.first(header.size_in_bytes()));
}

Result<std::optional<BatchView>> BatchCursor::next() {
  const ByteView left = rest();
  RETURN_IF_ERROR(check_prefix(left));
  if (left.size() < kHeaderSize ||
      kLogOverhead + static_cast<size_t>(load_be<int32_t>(left.data() + kBatchLengthAt)) >
          left.size()) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(BatchView batch, BatchView::parse(left));
  position_ += batch.bytes().size();
  return batch;
}

}  // namespace sluice::record
