#include "proto/record/snappy_framing.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include <snappy.h>

#include "proto/record/output.h"

namespace sluice::record {
namespace {

constexpr std::array<uint8_t, 8> kMagic = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
constexpr int32_t kVersion = 1;
constexpr size_t kPreambleSize = 16;
constexpr size_t kBlockSize = 32_KiB;

/// A copy of 64 bytes takes at least 3 bytes of input; a size beyond that ratio is a lie.
constexpr size_t kMaxRatio = 22;

const char* chars(const std::byte* at) { return reinterpret_cast<const char*>(at); }

bool is_framed(ByteView input) {
  return input.size() >= kPreambleSize &&
         std::memcmp(input.data(), kMagic.data(), kMagic.size()) == 0;
}

/// Appends the content of one raw block to the `used` bytes in `out`.
Result<> append_block(ByteView block, size_t max_size, std::vector<std::byte>& out, size_t& used) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(chars(block.data()), block.size(), &size) ||
      size > block.size() * kMaxRatio) {
    return undecodable("snappy");
  }
  if (size > max_size - used) return inflates_beyond(max_size);
  make_room(out, used + size, max_size);
  if (!snappy::RawUncompress(chars(block.data()), block.size(),
                             reinterpret_cast<char*>(out.data() + used))) {
    return undecodable("snappy");
  }
  used += size;
  return {};
}

}  // namespace

void compress_snappy(ByteView input, std::vector<std::byte>& out) {
  const size_t blocks = input.size() / kBlockSize + 1;
  out.resize(kPreambleSize + blocks * (sizeof(int32_t) + snappy::MaxCompressedLength(kBlockSize)));
  std::byte* at = out.data();
  std::memcpy(at, kMagic.data(), kMagic.size());
  store_be(at + 8, kVersion);
  store_be(at + 12, kVersion);
  at += kPreambleSize;
  while (!input.empty()) {
    const ByteView block = input.first(std::min(input.size(), kBlockSize));
    size_t size = 0;
    snappy::RawCompress(chars(block.data()), block.size(), reinterpret_cast<char*>(at + 4), &size);
    store_be(at, static_cast<int32_t>(size));
    at += sizeof(int32_t) + size;
    input = input.subspan(block.size());
  }
  out.resize(static_cast<size_t>(at - out.data()));
}

Result<> decompress_snappy(ByteView input, size_t max_size, std::vector<std::byte>& out) {
  size_t used = 0;
  if (!is_framed(input)) {
    RETURN_IF_ERROR(append_block(input, max_size, out, used));
    out.resize(used);
    return {};
  }
  input = input.subspan(kPreambleSize);
  while (!input.empty()) {
    if (input.size() < sizeof(int32_t)) return undecodable("snappy");
    const auto size = load_be<int32_t>(input.data());
    input = input.subspan(sizeof(int32_t));
    if (size < 0 || static_cast<size_t>(size) > input.size()) return undecodable("snappy");
    RETURN_IF_ERROR(append_block(input.first(static_cast<size_t>(size)), max_size, out, used));
    input = input.subspan(static_cast<size_t>(size));
  }
  out.resize(used);
  return {};
}

}  // namespace sluice::record
