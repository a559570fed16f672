#include "proto/record/lz4_frame.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>

#include <lz4.h>

#include "proto/record/output.h"
#include "proto/record/xxh32.h"

namespace sluice::record {
namespace {

constexpr uint32_t kFrameMagic = 0x184D2204;
constexpr uint32_t kSkippableMagic = 0x184D2A50;
constexpr uint32_t kSkippableMask = 0xFFFFFFF0;
constexpr uint32_t kStoredBit = 0x80000000;
/// A byte of a match length stands for 255 bytes of output at most.
constexpr size_t kMaxRatio = 255;

static_assert(std::endian::native == std::endian::little, "the frame format is little-endian");

struct FrameInfo {
  bool linked;
  bool block_checksums;
  bool content_checksum;
  size_t max_block_size;
};

/// Takes bytes from the front; false when there are too few.
class Input {
 public:
  explicit Input(ByteView bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  const std::byte* data() const { return bytes_.data(); }

  template <class T>
  bool take(T& value) {
    if (bytes_.size() < sizeof(T)) return false;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_ = bytes_.subspan(sizeof(T));
    return true;
  }
  bool take(size_t size, ByteView& part) {
    if (bytes_.size() < size) return false;
    part = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return true;
  }

 private:
  ByteView bytes_;
};

/// The descriptor behind the magic: flags, block size, optional content size, checksum byte.
bool read_descriptor(Input& input, FrameInfo& info) {
  const std::byte* const start = input.data();
  uint8_t flags = 0;
  uint8_t block = 0;
  if (!input.take(flags) || !input.take(block)) return false;
  const bool version_1 = (flags >> 6) == 1;
  const bool has_dictionary = (flags & 0x01) != 0;
  const unsigned block_size_id = block >> 4;
  if (!version_1 || has_dictionary || (flags & 0x02) != 0 || (block & 0x8f) != 0 ||
      block_size_id < 4) {
    return false;
  }
  // The content size is a claim that nothing here depends on.
  uint64_t content_size = 0;
  if ((flags & 0x08) != 0 && !input.take(content_size)) return false;
  const auto descriptor_size = static_cast<size_t>(input.data() - start);
  uint8_t checksum = 0;
  if (!input.take(checksum)) return false;
  info = {.linked = (flags & 0x20) == 0,
          .block_checksums = (flags & 0x10) != 0,
          .content_checksum = (flags & 0x04) != 0,
          .max_block_size = size_t{1} << (8 + 2 * block_size_id)};
  return checksum == ((xxh32({start, descriptor_size}) >> 8) & 0xff);
}

class FrameDecoder {
 public:
  FrameDecoder(size_t max_size, std::vector<std::byte>& out) : max_size_(max_size), out_(out) {}

  size_t used() const { return used_; }

  Result<> frame(Input& input) {
    FrameInfo info;
    if (!read_descriptor(input, info)) return undecodable("lz4");
    const size_t frame_start = used_;
    while (true) {
      uint32_t word = 0;
      if (!input.take(word)) return undecodable("lz4");
      if (word == 0) break;
      ByteView block;
      if (!input.take(word & ~kStoredBit, block) || block.size() > info.max_block_size) {
        return undecodable("lz4");
      }
      uint32_t checksum = 0;
      if (info.block_checksums && (!input.take(checksum) || checksum != xxh32(block))) {
        return undecodable("lz4");
      }
      RETURN_IF_ERROR((word & kStoredBit) != 0 ? store(block) : inflate(block, info, frame_start));
    }
    uint32_t checksum = 0;
    if (!info.content_checksum) return {};
    const ByteView content(out_.data() + frame_start, used_ - frame_start);
    if (!input.take(checksum) || checksum != xxh32(content)) return undecodable("lz4");
    return {};
  }

 private:
  Result<> store(ByteView block) {
    if (block.size() > max_size_ - used_) return inflates_beyond(max_size_);
    make_room(out_, used_ + block.size(), max_size_);
    if (!block.empty()) std::memcpy(out_.data() + used_, block.data(), block.size());
    used_ += block.size();
    return {};
  }

  Result<> inflate(ByteView block, const FrameInfo& info, size_t frame_start) {
    const size_t wanted = std::min(info.max_block_size, block.size() * kMaxRatio);
    const size_t room = std::min(wanted, max_size_ - used_);
    make_room(out_, used_ + room, max_size_);
    // Linked blocks refer back into the content before them, which stands right there.
    const size_t history = info.linked ? std::min(used_ - frame_start, size_t{64_KiB}) : 0;
    auto* to = reinterpret_cast<char*>(out_.data() + used_);
    const int size = LZ4_decompress_safe_usingDict(
        reinterpret_cast<const char*>(block.data()), to, static_cast<int>(block.size()),
        static_cast<int>(room), to - history, static_cast<int>(history));
    // With less room than the block may need, failure means that it did need more.
    if (size < 0) return room < wanted ? inflates_beyond(max_size_) : undecodable("lz4");
    used_ += static_cast<size_t>(size);
    return {};
  }

  const size_t max_size_;
  std::vector<std::byte>& out_;
  size_t used_ = 0;
};

}  // namespace

Result<> decompress_lz4(ByteView bytes, size_t max_size, std::vector<std::byte>& out) {
  Input input(bytes);
  FrameDecoder decoder(max_size, out);
  do {
    uint32_t magic = 0;
    if (!input.take(magic)) return undecodable("lz4");
    if (magic == kFrameMagic) {
      RETURN_IF_ERROR(decoder.frame(input));
      continue;
    }
    uint32_t size = 0;
    ByteView skipped;
    if ((magic & kSkippableMask) != kSkippableMagic || !input.take(size) ||
        !input.take(size, skipped)) {
      return undecodable("lz4");
    }
  } while (!input.empty());
  out.resize(decoder.used());
  return {};
}

}  // namespace sluice::record
