#include "base/uuid.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

Uuid Uuid::from_bytes(ByteView bytes) {
  CHECK(bytes.size() == kSize, "a Uuid has 16 bytes");
  Uuid id;
  std::ranges::copy(bytes, id.bytes_.begin());
  return id;
}

Uuid Uuid::random(Random& random) {
  Uuid id;
  do {
    store_be(id.bytes_.data(), random.next());
    store_be(id.bytes_.data() + 8, random.next());
    id.bytes_[6] = (id.bytes_[6] & std::byte{0x0f}) | std::byte{0x40};
    id.bytes_[8] = (id.bytes_[8] & std::byte{0x3f}) | std::byte{0x80};
  } while (id.text().front() == '-');
  return id;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != kTextSize) return std::nullopt;
  Uuid id;
  uint32_t bits = 0;
  int held = 0;
  size_t filled = 0;
  for (char c : text) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    id.bytes_[filled++] = static_cast<std::byte>(bits >> held);
  }
  // The last character has four bits to spare; were they taken, an id would have 16 texts.
  if ((bits & 0xf) != 0) return std::nullopt;
  return id;
}

std::string Uuid::text() const {
  std::string out;
  out.reserve(kTextSize);
  uint32_t bits = 0;
  int held = 0;
  for (std::byte byte : bytes_) {
    bits = (bits << 8) | static_cast<uint32_t>(byte);
    for (held += 8; held >= 6; held -= 6) out += kAlphabet[(bits >> (held - 6)) & 0x3f];
  }
  out += kAlphabet[(bits << (6 - held)) & 0x3f];
  return out;
}

}  // namespace sluice
