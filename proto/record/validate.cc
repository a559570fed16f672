#include "proto/record/validate.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/check.h"
#include "proto/record/record_parser.h"

namespace sluice::record {
namespace {

std::unexpected<Error> invalid(std::string detail) {
  return fail(Errc::invalid_record, std::move(detail));
}

/// That `bytes` are one batch of a format we know, by its first 17 bytes.
Result<> check_frame(ByteView bytes, size_t max_batch_size) {
  if (bytes.empty()) return invalid("there is no batch");
  if (bytes.size() < kHeaderSize) {
    return fail(Errc::corrupt_batch,
                std::to_string(bytes.size()) + " bytes are fewer than the 61 of a batch header");
  }
  const auto magic = static_cast<int8_t>(bytes[kMagicAt]);
  if (magic == 0 || magic == 1) {
    return invalid("record format " + std::to_string(magic) + " is too old; send format 2");
  }
  if (magic != kMagic) {
    return fail(Errc::corrupt_batch,
                "record format " + std::to_string(magic) + " is not known; send format 2");
  }
  const auto length = load_be<int32_t>(bytes.data() + kBatchLengthAt);
  const int64_t size = static_cast<int64_t>(kLogOverhead) + length;
  if (size < static_cast<int64_t>(kHeaderSize) || size > static_cast<int64_t>(bytes.size())) {
    return fail(Errc::corrupt_batch, "batch length " + std::to_string(length) +
                                         " does not fit the " + std::to_string(bytes.size()) +
                                         " bytes sent");
  }
  if (size < static_cast<int64_t>(bytes.size()))
    return invalid("more than one batch was sent; send one for each partition");
  if (bytes.size() > max_batch_size) {
    return fail(Errc::batch_too_large, "the batch has " + std::to_string(bytes.size()) +
                                           " bytes, the topic's max.message.bytes is " +
                                           std::to_string(max_batch_size) +
                                           "; send smaller batches or raise that");
  }
  return {};
}

Result<> check_fields(const BatchHeader& header, size_t payload_size) {
  if (!header.has_known_codec()) {
    return fail(Errc::unsupported_compression,
                "compression codec " + std::to_string(header.attributes & kCodecMask) +
                    " is not known; use none, gzip, snappy, lz4 or zstd");
  }
  if (header.timestamp_type() == TimestampType::log_append_time) {
    return fail(Errc::invalid_timestamp, "LogAppendTime is the broker's to set");
  }
  if (header.base_offset != Offset(0)) return invalid("the base offset is not 0");
  if (header.is_control()) return invalid("control batches come from brokers only");
  if (header.delete_horizon()) return invalid("the delete horizon is the broker's to set");
  if (header.record_count < 1 || header.record_count - 1 != header.last_offset_delta) {
    return invalid(std::to_string(header.record_count) +
                   " records do not agree with a last offset delta of " +
                   std::to_string(header.last_offset_delta));
  }
  if (!header.is_compressed() &&
      static_cast<size_t>(header.record_count) > payload_size / kMinRecordSize) {
    return invalid(std::to_string(header.record_count) + " records do not fit in " +
                   std::to_string(payload_size) + " bytes");
  }
  if (header.has_producer() && (header.base_sequence < 0 || header.producer_epoch.value() < 0)) {
    return invalid("producer " + std::to_string(header.producer_id.value()) +
                   " gives no sequence or no epoch");
  }
  return {};
}

/// Names the record for the error; apart, so that the loop below stays small.
[[gnu::cold, gnu::noinline]] std::unexpected<Error> bad_record(int32_t index, const char* why) {
  return invalid("record " + std::to_string(index) + ": " + why);
}

Result<> walk(ByteView records, bool require_keys, BatchFacts& facts) {
  const std::byte* at = records.data();
  const std::byte* const end = at + records.size();
  const int32_t count = facts.header.record_count;
  int64_t min_delta = std::numeric_limits<int64_t>::max();
  int64_t max_delta = std::numeric_limits<int64_t>::min();
  int32_t max_at = 0;
  ParsedRecord record;
  for (int32_t i = 0; i < count; ++i) {
    const std::byte* const behind = parse_short_record(at, end, record);
    at = behind != nullptr ? behind : parse_record(at, end, record);
    if (at == nullptr) [[unlikely]]
      return bad_record(i, "it does not decode");
    if (record.offset_delta != i) [[unlikely]]
      return bad_record(i, "offsets are not dense from 0");
    if (require_keys && record.key_size < 0) [[unlikely]] {
      return bad_record(i, "a compacted topic needs a key");
    }
    min_delta = std::min(min_delta, record.timestamp_delta);
    if (record.timestamp_delta > max_delta) {
      max_delta = record.timestamp_delta;
      max_at = i;
    }
  }
  if (at != end) return invalid("bytes follow the last record");
  int64_t min = 0;
  int64_t max = 0;
  const int64_t base = facts.header.base_timestamp.value();
  if (__builtin_add_overflow(base, min_delta, &min) ||
      __builtin_add_overflow(base, max_delta, &max)) {
    return invalid("a record's timestamp overflows");
  }
  facts.min_timestamp = Timestamp(min);
  facts.max_timestamp = Timestamp(max);
  facts.max_timestamp_delta = max_at;
  facts.walked = true;
  return {};
}

}  // namespace

Result<BatchFacts> validate(ByteView bytes, const ValidateOptions& options,
                            const Inflate* inflate) {
  RETURN_IF_ERROR(check_frame(bytes, options.max_batch_size));
  const BatchHeader header = load_header(bytes.data());
  const uint32_t crc = compute_crc(bytes);
  if (crc != header.crc) {
    return fail(Errc::corrupt_batch, "the checksum is " + std::to_string(crc) +
                                         ", the batch says " + std::to_string(header.crc) +
                                         "; it changed on its way, send it again");
  }
  const ByteView payload = bytes.subspan(kHeaderSize);
  RETURN_IF_ERROR(check_fields(header, payload.size()));
  BatchFacts facts{.header = header,
                   .min_timestamp = header.base_timestamp,
                   .max_timestamp = header.max_timestamp,
                   .max_timestamp_delta = header.last_offset_delta};
  if (!header.is_compressed()) {
    RETURN_IF_ERROR(walk(payload, options.require_keys, facts));
    return facts;
  }
  CHECK(inflate != nullptr || !options.require_keys,
        "a compressed batch must be inflated to see that every record has a key");
  if (inflate == nullptr) {
    if (payload.empty()) return invalid("a compressed batch has no records");
    return facts;
  }
  RETURN_IF_ERROR(inflate->decompressor.decompress(header.codec(), payload, inflate->max_size,
                                                   inflate->scratch));
  RETURN_IF_ERROR(walk(inflate->scratch, options.require_keys, facts));
  return facts;
}

}  // namespace sluice::record
