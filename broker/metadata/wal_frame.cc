#include "broker/metadata/wal_frame.h"

#include <algorithm>

#include "base/crc32c.h"

namespace sluice::broker::wal {
namespace {

constexpr std::string_view kMagic = "SLUWAL01";
constexpr size_t kHeaderCrcAt = 8;
constexpr size_t kSequenceAt = 16;
constexpr size_t kFirstNumberAt = 24;

// Places in a frame.
constexpr size_t kSizeAt = 4;
constexpr size_t kFrameSequenceAt = 8;
constexpr size_t kNumberAt = 16;

}  // namespace

std::vector<std::byte> encode_file_header(const FileHeader& header) {
  std::vector<std::byte> bytes(kFileHeaderSize);
  std::ranges::copy(as_bytes(kMagic), bytes.begin());
  store_be<uint64_t>(bytes.data() + kSequenceAt, header.sequence);
  store_be<uint64_t>(bytes.data() + kFirstNumberAt, header.first_number);
  store_be<uint32_t>(bytes.data() + kHeaderCrcAt, crc32c(ByteView(bytes).subspan(kSequenceAt)));
  return bytes;
}

std::optional<FileHeader> decode_file_header(ByteView file) {
  if (file.size() < kFileHeaderSize) return std::nullopt;
  const ByteView header = file.first(kFileHeaderSize);
  if (as_text(header.first(kMagic.size())) != kMagic) return std::nullopt;
  if (load_be<uint32_t>(header.data() + kHeaderCrcAt) != crc32c(header.subspan(kSequenceAt))) {
    return std::nullopt;
  }
  return FileHeader{load_be<uint64_t>(header.data() + kSequenceAt),
                    load_be<uint64_t>(header.data() + kFirstNumberAt)};
}

size_t frame_size(size_t payload) {
  return (kFrameHeaderSize + payload + kAlignment - 1) / kAlignment * kAlignment;
}

std::vector<std::byte> encode_frame(uint64_t sequence, uint64_t number, ByteView payload) {
  std::vector<std::byte> frame(frame_size(payload.size()));
  store_be<uint32_t>(frame.data() + kSizeAt, static_cast<uint32_t>(payload.size()));
  store_be<uint64_t>(frame.data() + kFrameSequenceAt, sequence);
  store_be<uint64_t>(frame.data() + kNumberAt, number);
  std::ranges::copy(payload, frame.begin() + kFrameHeaderSize);
  const ByteView covered = ByteView(frame).first(kFrameHeaderSize + payload.size());
  store_be<uint32_t>(frame.data(), crc32c(covered.subspan(kSizeAt)));
  return frame;
}

std::vector<std::byte> encode_mark(uint64_t sequence, uint64_t number) {
  return encode_frame(sequence, number, {});
}

std::optional<Frame> decode_frame(ByteView file, size_t position, uint64_t sequence) {
  if (position > file.size() || file.size() - position < kFrameHeaderSize) return std::nullopt;
  const ByteView rest = file.subspan(position);
  const size_t size = load_be<uint32_t>(rest.data() + kSizeAt);
  if (load_be<uint64_t>(rest.data() + kFrameSequenceAt) != sequence) return std::nullopt;
  if (size > kMaxPayload || size > rest.size() - kFrameHeaderSize) return std::nullopt;
  const ByteView frame = rest.first(kFrameHeaderSize + size);
  if (load_be<uint32_t>(frame.data()) != crc32c(frame.subspan(kSizeAt))) return std::nullopt;
  return Frame{load_be<uint64_t>(frame.data() + kNumberAt), frame.subspan(kFrameHeaderSize)};
}

Scanned scan(ByteView file, uint64_t sequence, std::optional<uint64_t> first_number) {
  Scanned scanned;
  uint64_t next = first_number.value_or(0);
  while (first_number) {
    const auto frame = decode_frame(file, scanned.end, sequence);
    if (!frame || frame->number != next) break;
    // Another frame would stand behind one that was written without payload.
    const auto behind = decode_frame(file, scanned.end + kFrameHeaderSize, sequence);
    scanned.marked = frame->payload.empty() && !(behind && behind->number == next + 1);
    if (scanned.marked) break;
    scanned.frames.push_back(*frame);
    scanned.end += frame_size(frame->payload.size());
    ++next;
  }
  // Over the mark the next frame is written.
  const size_t behind = scanned.end + (scanned.marked ? kFrameHeaderSize : 0);
  for (size_t at = behind; at + kFrameHeaderSize <= file.size(); at += kAlignment) {
    if (load_be<uint64_t>(file.data() + at + kFrameSequenceAt) != sequence) continue;
    scanned.torn = true;
    const auto frame = decode_frame(file, at, sequence);
    if (frame && frame->number >= next) scanned.damaged = true;
  }
  return scanned;
}

}  // namespace sluice::broker::wal
