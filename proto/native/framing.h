#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice::native {

/// What a connection sends first. As a Kafka frame size it would be 1.4 GB, far above any limit, so
/// both protocols share a port.
inline constexpr std::string_view kMagic = "SLU1";

inline constexpr uint32_t kMinVersion = 1;
inline constexpr uint32_t kMaxVersion = 1;

/// In front of every frame, big-endian: bytes that follow these four, and bytes of the header.
inline constexpr size_t kPrefixSize = 8;
/// A request's header names at most this much; the payload is bounded by the broker's frame limit.
inline constexpr size_t kMaxHeaderBytes = 1_MiB;
/// An answer may have more to tell than was asked: all topics, for example.
inline constexpr size_t kMaxAnswerHeaderBytes = 16_MiB;
/// The limit that a broker announces by default.
inline constexpr size_t kDefaultMaxFrameBytes = 100_MiB;

struct FramePrefix {
  uint32_t header_size = 0;
  uint32_t payload_size = 0;

  size_t frame_size() const { return kPrefixSize + header_size + payload_size; }
};

/// Checks the eight bytes: malformed_frame when the header does not fit in the frame,
/// frame_too_large when either is above its limit. `max_frame` bounds the bytes after the first
/// four.
Result<FramePrefix> decode_prefix(ByteView eight, size_t max_frame,
                                  size_t max_header = kMaxHeaderBytes);
void encode_prefix(const FramePrefix& prefix, MutableBytes eight);

}  // namespace sluice::native
