#include "base/crc32c.h"

#include <algorithm>

#include <isa-l/crc.h>

namespace sluice {

// libisal leaves both inversions of RFC 3720 to its caller and counts bytes in an int.
uint32_t crc32c(ByteView bytes, uint32_t previous) {
  constexpr size_t kMostAtOnce = 1_GiB;
  uint32_t state = ~previous;
  while (!bytes.empty()) {
    const ByteView part = bytes.first(std::min(bytes.size(), kMostAtOnce));
    auto* const at = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(part.data()));
    state = crc32_iscsi(at, static_cast<int>(part.size()), state);
    bytes = bytes.subspan(part.size());
  }
  return ~state;
}

}  // namespace sluice
