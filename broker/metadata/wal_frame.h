#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace sluice::broker::wal {

/// In front of a file's frames.
struct FileHeader {
  uint64_t sequence = 0;
  /// Of the first frame.
  uint64_t first_number = 1;
};
inline constexpr size_t kFileHeaderSize = 64;
inline constexpr size_t kFrameHeaderSize = 24;
/// Frames begin at multiples of it.
inline constexpr size_t kAlignment = 8;
inline constexpr size_t kMaxPayload = 64_MiB;

std::vector<std::byte> encode_file_header(const FileHeader& header);
/// Nothing unless magic, version and CRC are right.
std::optional<FileHeader> decode_file_header(ByteView file);

/// Bytes a frame takes in the file, padding included.
size_t frame_size(size_t payload);
std::vector<std::byte> encode_frame(uint64_t sequence, uint64_t number, ByteView payload);

/// The mark that all frames before `number` were synced: a frame without payload, where the next
/// one is going to be written. It is not synced itself.
std::vector<std::byte> encode_mark(uint64_t sequence, uint64_t number);

struct Frame {
  uint64_t number = 0;
  ByteView payload;
};
/// The frame of that file at `position`; nothing when there is none or it is broken.
std::optional<Frame> decode_frame(ByteView file, size_t position, uint64_t sequence);

/// What a file holds, read up to the first frame that is missing or broken.
struct Scanned {
  std::vector<Frame> frames;
  /// Behind the last good frame.
  size_t end = kFileHeaderSize;
  /// A good frame of this file with a later number lies behind `end`: a frame that was durable
  /// before is broken.
  bool damaged = false;
  /// Behind the last frame stands the mark that it was synced.
  bool marked = false;
  /// What lies behind `end` is not what a file holds before it is written: zeros, or frames of the
  /// file it was recycled from.
  bool torn = false;
};
/// `first_number` empty: the header is unusable, only `damaged` is meaningful.
Scanned scan(ByteView file, uint64_t sequence, std::optional<uint64_t> first_number);

}  // namespace sluice::broker::wal
