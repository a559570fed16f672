#include "proto/native/framing.h"

#include <string>

#include "base/check.h"

namespace sluice::native {

Result<FramePrefix> decode_prefix(ByteView eight, size_t max_frame, size_t max_header) {
  CHECK(eight.size() >= kPrefixSize, "a frame prefix has eight bytes");
  const size_t size = load_be<uint32_t>(eight.data());
  const size_t header = load_be<uint32_t>(eight.data() + 4);
  if (size > max_frame) {
    return fail(Errc::frame_too_large,
                "frame of " + std::to_string(size) + " bytes is above the limit of " +
                    std::to_string(max_frame) + "; send smaller requests or raise frame.max.bytes");
  }
  if (size < 4 || header > size - 4) {
    return fail(Errc::malformed_frame,
                "header of " + std::to_string(header) + " bytes does not fit in a frame of " +
                    std::to_string(size) + "; the peer does not speak this protocol");
  }
  if (header > max_header) {
    return fail(Errc::frame_too_large,
                "header of " + std::to_string(header) + " bytes is above the limit of " +
                    std::to_string(max_header) + "; split the request into several");
  }
  return FramePrefix{static_cast<uint32_t>(header), static_cast<uint32_t>(size - 4 - header)};
}

void encode_prefix(const FramePrefix& prefix, MutableBytes eight) {
  CHECK(eight.size() >= kPrefixSize, "a frame prefix has eight bytes");
  store_be<uint32_t>(eight.data(), 4 + prefix.header_size + prefix.payload_size);
  store_be<uint32_t>(eight.data() + 4, prefix.header_size);
}

}  // namespace sluice::native
