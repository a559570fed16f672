#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace sluice {

/// LEB128: seven bits a byte, least significant first; the top bit says that more follow.
inline constexpr size_t kMaxVarint32 = 5;
inline constexpr size_t kMaxVarint64 = 10;

/// Signed to unsigned so that small magnitudes stay small: 0, -1, 1, -2 become 0, 1, 2, 3.
template <std::signed_integral T>
constexpr std::make_unsigned_t<T> zigzag(T value) {
  using Unsigned = std::make_unsigned_t<T>;
  return static_cast<Unsigned>((static_cast<Unsigned>(value) << 1) ^
                               static_cast<Unsigned>(value >> (sizeof(T) * 8 - 1)));
}
template <std::unsigned_integral T>
constexpr std::make_signed_t<T> unzigzag(T value) {
  return static_cast<std::make_signed_t<T>>((value >> 1) ^ (~(value & 1) + 1));
}

/// Bytes that the value takes, 1 to 5 or 1 to 10.
template <std::unsigned_integral T>
constexpr size_t varint_size(T value) {
  // ceil(bits / 7) without a division; exact for widths up to 64.
  const auto bits = static_cast<size_t>(std::bit_width(static_cast<T>(value | 1)));
  return (bits * 9 + 64) / 64;
}
template <std::signed_integral T>
constexpr size_t zigzag_size(T value) {
  return varint_size(zigzag(value));
}

/// Writes the value at `to`, which has room for its varint_size(); the place behind it.
template <std::unsigned_integral T>
std::byte* put_varint(std::byte* to, T value) {
  while (value >= 0x80) {
    *to++ = static_cast<std::byte>(value | 0x80);
    value = static_cast<T>(value >> 7);
  }
  *to++ = static_cast<std::byte>(value);
  return to;
}
template <std::signed_integral T>
std::byte* put_zigzag(std::byte* to, T value) {
  return put_varint(to, zigzag(value));
}

namespace internal {
/// In two registers, so that callers keep their values out of memory.
template <std::unsigned_integral T>
struct LongVarint {
  T value;
  const std::byte* behind;
};

template <std::unsigned_integral T>
[[gnu::noinline]] LongVarint<T> get_long_varint(const std::byte* at, const std::byte* end) {
  constexpr int kWidth = sizeof(T) * 8;
  T result = 0;
  for (int shift = 0; shift < kWidth; shift += 7) {
    if (at == end) break;
    const auto byte = static_cast<uint8_t>(*at++);
    const auto bits = static_cast<T>(byte & 0x7f);
    if (shift + 7 > kWidth && (bits >> (kWidth - shift)) != 0) break;
    result |= static_cast<T>(bits << shift);
    if (byte < 0x80) return {result, at};
  }
  return {0, nullptr};
}
}  // namespace internal

/// Reads a value from [at, end); the place behind it, or null when the bytes end too early or the
/// value does not fit T. Encodings longer than needed are taken, as every Kafka client takes them.
template <std::unsigned_integral T>
inline const std::byte* get_varint(const std::byte* at, const std::byte* end, T& value) {
  if (at >= end) [[unlikely]]
    return nullptr;
  const auto first = static_cast<uint8_t>(at[0]);
  if (first < 0x80) {
    value = first;
    return at + 1;
  }
  if (end - at >= 2 && static_cast<uint8_t>(at[1]) < 0x80) {
    value = static_cast<T>((first & 0x7f) | (static_cast<unsigned>(at[1]) << 7));
    return at + 2;
  }
  const auto [decoded, behind] = internal::get_long_varint<T>(at, end);
  value = decoded;
  return behind;
}
template <std::signed_integral T>
inline const std::byte* get_zigzag(const std::byte* at, const std::byte* end, T& value) {
  std::make_unsigned_t<T> raw = 0;
  at = get_varint(at, end, raw);
  value = unzigzag(raw);
  return at;
}

}  // namespace sluice
