#include "proto/record/xxh32.h"

#include <bit>
#include <cstring>

namespace sluice::record {
namespace {

constexpr uint32_t kPrime1 = 0x9E3779B1;
constexpr uint32_t kPrime2 = 0x85EBCA77;
constexpr uint32_t kPrime3 = 0xC2B2AE3D;
constexpr uint32_t kPrime4 = 0x27D4EB2F;
constexpr uint32_t kPrime5 = 0x165667B1;

uint32_t load(const std::byte* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

uint32_t round(uint32_t lane, uint32_t word) {
  return std::rotl(lane + word * kPrime2, 13) * kPrime1;
}

}  // namespace

uint32_t xxh32(ByteView bytes) {
  const std::byte* at = bytes.data();
  const std::byte* const end = at + bytes.size();
  uint32_t hash = kPrime5;
  if (bytes.size() >= 16) {
    uint32_t lanes[4] = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
    for (; end - at >= 16; at += 16) {
      for (int i = 0; i < 4; ++i) lanes[i] = round(lanes[i], load(at + 4 * i));
    }
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
           std::rotl(lanes[3], 18);
  }
  hash += static_cast<uint32_t>(bytes.size());
  for (; end - at >= 4; at += 4) hash = std::rotl(hash + load(at) * kPrime3, 17) * kPrime4;
  for (; at < end; ++at)
    hash = std::rotl(hash + static_cast<uint32_t>(*at) * kPrime5, 11) * kPrime1;
  hash = (hash ^ (hash >> 15)) * kPrime2;
  hash = (hash ^ (hash >> 13)) * kPrime3;
  return hash ^ (hash >> 16);
}

}  // namespace sluice::record
