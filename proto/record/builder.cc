#include "proto/record/builder.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/varint.h"

namespace sluice::record {
namespace {

/// Length, attributes, timestamp delta, offset delta, key length, value length, header count.
constexpr size_t kMaxRecordOverhead =
    kMaxVarint32 + 1 + kMaxVarint64 + kMaxVarint32 + kMaxVarint32 + kMaxVarint32 + kMaxVarint32;

size_t max_headers_size(std::span<const HeaderView> headers) {
  size_t size = 0;
  for (const HeaderView& header : headers) {
    size += 2 * kMaxVarint32 + header.key.size() + (header.value ? header.value->size() : 0);
  }
  return size;
}

size_t field_size(const std::optional<ByteView>& field) {
  if (!field) return 1;
  return zigzag_size(static_cast<int32_t>(field->size())) + field->size();
}

size_t headers_size(std::span<const HeaderView> headers) {
  size_t size = zigzag_size(static_cast<int32_t>(headers.size()));
  for (const HeaderView& header : headers) {
    size += field_size(as_bytes(header.key)) + field_size(header.value);
  }
  return size;
}

std::byte* put_field(std::byte* at, const std::optional<ByteView>& field) {
  if (!field) return put_zigzag(at, int32_t{-1});
  at = put_zigzag(at, static_cast<int32_t>(field->size()));
  // An empty view may be null, which memcpy must not be given.
  if (!field->empty()) std::memcpy(at, field->data(), field->size());
  return at + field->size();
}

int16_t attributes_of(const BatchSpec& spec, Codec codec) {
  int bits = static_cast<int>(codec);
  if (spec.timestamp_type == TimestampType::log_append_time) bits |= kLogAppendTimeBit;
  if (spec.transactional) bits |= kTransactionalBit;
  if (spec.control) bits |= kControlBit;
  if (spec.has_delete_horizon) bits |= kDeleteHorizonBit;
  return static_cast<int16_t>(bits);
}

}  // namespace

size_t max_record_size(size_t key_size, size_t value_size, std::span<const HeaderView> headers) {
  return kMaxRecordOverhead + key_size + value_size + max_headers_size(headers);
}

size_t max_batch_size(size_t key_size, size_t value_size, std::span<const HeaderView> headers) {
  return kHeaderSize + max_record_size(key_size, value_size, headers);
}

BatchBuilder::BatchBuilder(MutableBytes buffer) { reset(buffer); }

BatchBuilder::BatchBuilder(Growing to) : grown_(&to.out), start_(to.out.size()) { reset(); }

void BatchBuilder::reset(MutableBytes buffer) {
  CHECK(buffer.size() >= kHeaderSize, "a batch has at least its header");
  grown_ = nullptr;
  begin_ = buffer.data();
  end_ = begin_ + std::min(buffer.size(), kMaxBatchSize);
  reset();
}

void BatchBuilder::reset() {
  if (grown_ != nullptr) {
    grown_->resize(start_ + kHeaderSize);
    begin_ = grown_->data() + start_;
    end_ = begin_ + kHeaderSize;
  }
  at_ = begin_ + kHeaderSize;
  base_timestamp_ = kNoTimestamp;
  max_timestamp_ = kNoTimestamp;
  has_base_timestamp_ = false;
  finished_ = false;
  last_offset_delta_ = -1;
  record_count_ = 0;
}

void BatchBuilder::start_at(Timestamp base) {
  CHECK(empty(), "the base timestamp is fixed before the first record");
  base_timestamp_ = base;
  has_base_timestamp_ = true;
}

bool BatchBuilder::grow(size_t needed) {
  if (grown_ == nullptr) return false;
  const size_t used = size_in_bytes();
  if (needed > kMaxBatchSize - used) return false;
  const size_t capacity = std::min(std::max(2 * used, used + needed), kMaxBatchSize);
  grown_->resize(start_ + capacity);
  begin_ = grown_->data() + start_;
  at_ = begin_ + used;
  end_ = begin_ + capacity;
  return true;
}

bool BatchBuilder::append(std::optional<ByteView> key, std::optional<ByteView> value,
                          std::span<const HeaderView> headers, Timestamp timestamp) {
  return append_at(last_offset_delta_ + 1, key, value, headers, timestamp);
}

bool BatchBuilder::append_at(int32_t offset_delta, std::optional<ByteView> key,
                             std::optional<ByteView> value, std::span<const HeaderView> headers,
                             Timestamp timestamp) {
  CHECK(!finished_, "a finished batch takes no records");
  CHECK(offset_delta > last_offset_delta_, "offsets grow inside a batch");
  const Timestamp base = has_base_timestamp_ ? base_timestamp_ : timestamp;
  const int64_t timestamp_delta = timestamp - base;
  // Anything larger than a batch can be is refused before sizes are added and narrowed.
  const size_t payload = (key ? key->size() : 0) + (value ? value->size() : 0);
  if (payload > kMaxBatchSize || max_headers_size(headers) > kMaxBatchSize) return false;
  const size_t body = 1 + zigzag_size(timestamp_delta) + zigzag_size(offset_delta) +
                      field_size(key) + field_size(value) + headers_size(headers);
  if (body > kMaxBatchSize) return false;
  const size_t size = zigzag_size(static_cast<int32_t>(body)) + body;
  if (size > static_cast<size_t>(end_ - at_) && !grow(size)) [[unlikely]]
    return false;

  std::byte* at = put_zigzag(at_, static_cast<int32_t>(body));
  *at++ = std::byte{0};
  at = put_zigzag(at, timestamp_delta);
  at = put_zigzag(at, offset_delta);
  at = put_field(at, key);
  at = put_field(at, value);
  at = put_zigzag(at, static_cast<int32_t>(headers.size()));
  for (const HeaderView& header : headers) {
    at = put_field(at, as_bytes(header.key));
    at = put_field(at, header.value);
  }
  at_ = at;
  base_timestamp_ = base;
  has_base_timestamp_ = true;
  max_timestamp_ = record_count_ == 0 ? timestamp : std::max(max_timestamp_, timestamp);
  last_offset_delta_ = offset_delta;
  ++record_count_;
  return true;
}

Result<MutableBytes> BatchBuilder::finish(const BatchSpec& spec, Compressor& compressor,
                                          std::vector<std::byte>& scratch) {
  if (spec.codec == Codec::none) return seal(spec, Codec::none);
  CHECK(!finished_, "a batch is finished once");
  const ByteView records(begin_ + kHeaderSize, at_);
  RETURN_IF_ERROR(compressor.compress(spec.codec, records, scratch, spec.compression_level));
  if (scratch.size() >= records.size()) return seal(spec, Codec::none);
  std::memcpy(begin_ + kHeaderSize, scratch.data(), scratch.size());
  at_ = begin_ + kHeaderSize + scratch.size();
  return seal(spec, spec.codec);
}

MutableBytes BatchBuilder::finish(const BatchSpec& spec) {
  CHECK(spec.codec == Codec::none, "a compressed batch needs a compressor");
  return seal(spec, Codec::none);
}

MutableBytes BatchBuilder::seal(const BatchSpec& spec, Codec codec) {
  CHECK(!finished_, "a batch is finished once");
  const int32_t last_delta = spec.last_offset_delta.value_or(std::max(last_offset_delta_, 0));
  CHECK(last_delta >= last_offset_delta_, "the header covers every record's offset");
  finished_ = true;
  const MutableBytes batch(begin_, at_);
  BatchHeader header{
      .base_offset = spec.base_offset,
      .batch_length = static_cast<int32_t>(batch.size() - kLogOverhead),
      .leader_epoch = spec.leader_epoch,
      .attributes = attributes_of(spec, codec),
      .last_offset_delta = last_delta,
      .base_timestamp = base_timestamp_,
      .max_timestamp = spec.max_timestamp.value_or(max_timestamp_),
      .producer_id = spec.producer_id,
      .producer_epoch = spec.producer_epoch,
      .base_sequence = spec.base_sequence,
      .record_count = record_count_,
  };
  encode_header(header, batch);
  store_be(batch.data() + kCrcAt, compute_crc(batch));
  if (grown_ != nullptr) grown_->resize(start_ + batch.size());
  return batch;
}

}  // namespace sluice::record
