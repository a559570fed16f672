#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/random.h"

namespace sluice {

/// 16 bytes that name a topic, a directory or a cluster for ever; zero means "none". Its text is
/// what Kafka shows: 22 characters of base64url (RFC 4648, section 5) without padding.
class Uuid {
 public:
  static constexpr size_t kSize = 16;
  static constexpr size_t kTextSize = 22;

  constexpr Uuid() = default;
  constexpr explicit Uuid(const std::array<std::byte, kSize>& bytes) : bytes_(bytes) {}
  /// From a wire or a file; `bytes` has kSize bytes.
  static Uuid from_bytes(ByteView bytes);
  /// Version 4 (RFC 9562). As Kafka's, its text never begins with '-': it may stand on a command
  /// line.
  static Uuid random(Random& random);
  /// Nothing unless the text is the one text of a Uuid.
  static std::optional<Uuid> parse(std::string_view text);

  bool is_zero() const { return *this == Uuid(); }
  ByteView bytes() const { return bytes_; }
  std::string text() const;

  constexpr auto operator<=>(const Uuid&) const = default;

  template <class H>
  friend H AbslHashValue(H hash, const Uuid& id) {
    return H::combine(std::move(hash), id.bytes_);
  }

 private:
  std::array<std::byte, kSize> bytes_{};
};

}  // namespace sluice

template <>
struct std::hash<sluice::Uuid> {
  size_t operator()(const sluice::Uuid& id) const noexcept {
    return std::hash<std::string_view>{}(sluice::as_text(id.bytes()));
  }
};
