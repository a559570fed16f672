#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace sluice {

using ByteView = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

consteval size_t operator""_KiB(unsigned long long n) { return n << 10; }
consteval size_t operator""_MiB(unsigned long long n) { return n << 20; }
consteval size_t operator""_GiB(unsigned long long n) { return n << 30; }

/// Big-endian load and store; `at` must have sizeof(T) bytes.
template <class T>
T load_be(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  return value;
}
template <class T>
void store_be(std::byte* at, T value) {
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  std::memcpy(at, &value, sizeof(T));
}

}  // namespace sluice
