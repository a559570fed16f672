#include "storage/key_hash.h"

#include <bit>
#include <cstring>

namespace sluice::storage {
namespace {

struct SipState {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void absorb(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
  uint64_t squeeze() {
    for (int i = 0; i < 4; ++i) round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

uint64_t load_little(const std::byte* at, size_t size) {
  uint64_t word = 0;
  for (size_t i = 0; i < size; ++i) word |= std::to_integer<uint64_t>(at[i]) << (8 * i);
  return word;
}

}  // namespace

KeyHash KeyHasher::operator()(ByteView key) const {
  SipState state{.v0 = 0x736f6d6570736575 ^ key_[0],
                 .v1 = 0x646f72616e646f6d ^ key_[1] ^ 0xee,
                 .v2 = 0x6c7967656e657261 ^ key_[0],
                 .v3 = 0x7465646279746573 ^ key_[1]};
  size_t at = 0;
  for (; at + 8 <= key.size(); at += 8) state.absorb(load_little(key.data() + at, 8));
  state.absorb(load_little(key.data() + at, key.size() - at) | static_cast<uint64_t>(key.size())
                                                                   << 56);
  state.v2 ^= 0xee;
  KeyHash hash;
  hash.low = state.squeeze();
  state.v1 ^= 0xdd;
  hash.high = state.squeeze();
  return hash;
}

}  // namespace sluice::storage
