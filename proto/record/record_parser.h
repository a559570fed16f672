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

namespace internal {
/// A varint of one or two bytes, of which both can be read; null for a longer one.
[[gnu::always_inline]] inline const std::byte* get_short(const std::byte* at, uint32_t& raw) {
  const auto first = static_cast<uint32_t>(at[0]);
  if (first < 0x80) [[likely]] {
    raw = first;
    return at + 1;
  }
  const auto second = static_cast<uint32_t>(at[1]);
  raw = (first & 0x7f) | (second << 7);
  return second < 0x80 ? at + 2 : nullptr;
}
}  // namespace internal

/// The record that most are: every number of one or two bytes, no headers. The place behind it, or
/// null when it is any other, sound or not: parse_record() tells. One check of the bounds stands
/// for those of all fields up to the key, which makes the walk of a produced batch twice as fast.
[[gnu::always_inline]] inline const std::byte* parse_short_record(const std::byte* at,
                                                                  const std::byte* end,
                                                                  ParsedRecord& record) {
  constexpr ptrdiff_t kHead = 2 + 1 + 2 + 2 + 2 + 2;  // up to the value's size, without a key
  constexpr ptrdiff_t kTail = 2 + 1;                  // the value's size, the header count
  if (end - at < kHead) return nullptr;
  uint32_t size = 0;
  uint32_t timestamp = 0;
  uint32_t offset = 0;
  uint32_t key = 0;
  uint32_t value = 0;
  if ((at = internal::get_short(at, size)) == nullptr) return nullptr;
  const ptrdiff_t body = static_cast<ptrdiff_t>(size >> 1);
  const std::byte* const record_end = at + body;
  if ((size & 1) != 0 || body > end - at) return nullptr;
  if ((at = internal::get_short(at + 1, timestamp)) == nullptr ||
      (at = internal::get_short(at, offset)) == nullptr ||
      (at = internal::get_short(at, key)) == nullptr) {
    return nullptr;
  }
  record.key = at;
  // 1 is a null; other odd numbers are sizes below that.
  if ((key & 1) == 0) {
    at += key >> 1;
  } else if (key != 1) {
    return nullptr;
  }
  if (record_end - at < kTail || (at = internal::get_short(at, value)) == nullptr ||
      (value & 1) != 0 || record_end - at != static_cast<ptrdiff_t>(value >> 1) + 1 ||
      record_end[-1] != std::byte{0}) {
    return nullptr;
  }
  record.timestamp_delta = unzigzag(timestamp);
  record.offset_delta = unzigzag(offset);
  record.key_size = unzigzag(key);
  record.value = at;
  record.value_size = static_cast<int32_t>(value >> 1);
  record.header_count = 0;
  record.headers = record_end;
  return record_end;
}

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
