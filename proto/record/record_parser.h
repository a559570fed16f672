#pragma once

#include <cstddef>
#include <cstdint>

#include "base/varint.h"

namespace sluice::record {

/// length, attributes, timestamp delta, offset delta, key length, value length, header count: a
/// byte each at least.
inline constexpr size_t kMinRecordSize = 7;

/// A record's fields as they stand in the bytes; sizes of -1 are nulls.
struct ParsedRecord {
  int64_t timestamp_delta;
  int32_t offset_delta;
  int32_t key_size;
  int32_t value_size;
  int32_t header_count;
  const std::byte* key;
  const std::byte* value;
  const std::byte* headers;
};

/// Walks `count` headers that must end exactly at `end`.
bool headers_are_sound(const std::byte* at, const std::byte* end, int32_t count);

namespace internal {
/// A length and that many bytes; null when they do not fit before `end` or the length is below -1.
[[gnu::always_inline]] inline const std::byte* skip_field(const std::byte* at, const std::byte* end,
                                                          int32_t& size, const std::byte*& field) {
  at = get_zigzag(at, end, size);
  if (at == nullptr) [[unlikely]]
    return nullptr;
  field = at;
  if (size <= 0) return size < -1 ? nullptr : at;
  return size > end - at ? nullptr : at + size;
}
}  // namespace internal

/// Parses the record at `at`; the place behind it, or null when the bytes before `end` are no
/// record. Forced inline, since validation walks every record a broker is sent: the call and the
/// fields kept in memory for it cost a fifth of that walk.
[[gnu::always_inline]] inline const std::byte* parse_record(const std::byte* at,
                                                            const std::byte* end,
                                                            ParsedRecord& record) {
  int32_t size = 0;
  at = get_zigzag(at, end, size);
  if (at == nullptr || size < static_cast<int32_t>(kMinRecordSize) - 1 || size > end - at)
      [[unlikely]] {
    return nullptr;
  }
  const std::byte* record_end = at + size;
  // The attributes byte means nothing; Kafka ignores it too.
  at = get_zigzag(at + 1, record_end, record.timestamp_delta);
  if (at == nullptr) [[unlikely]]
    return nullptr;
  at = get_zigzag(at, record_end, record.offset_delta);
  if (at == nullptr) [[unlikely]]
    return nullptr;
  at = internal::skip_field(at, record_end, record.key_size, record.key);
  if (at == nullptr) [[unlikely]]
    return nullptr;
  at = internal::skip_field(at, record_end, record.value_size, record.value);
  if (at == nullptr) [[unlikely]]
    return nullptr;
  at = get_zigzag(at, record_end, record.header_count);
  if (at == nullptr) [[unlikely]]
    return nullptr;
  record.headers = at;
  if (record.header_count == 0) [[likely]]
    return at == record_end ? at : nullptr;
  return headers_are_sound(at, record_end, record.header_count) ? record_end : nullptr;
}

}  // namespace sluice::record
