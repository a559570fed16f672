#include "broker/metadata/wal_frame.h"

#include <algorithm>
#include <string_view>

#include <gtest/gtest.h>

namespace sluice::broker::wal {
namespace {

/// A file of `size` bytes with frames 1, 2, ... of these payloads.
std::vector<std::byte> file_of(uint64_t sequence, std::initializer_list<std::string_view> payloads,
                               size_t size = 1024) {
  std::vector<std::byte> file = encode_file_header({.sequence = sequence, .first_number = 1});
  uint64_t number = 1;
  for (const std::string_view payload : payloads) {
    const auto frame = encode_frame(sequence, number++, as_bytes(payload));
    file.insert(file.end(), frame.begin(), frame.end());
  }
  file.resize(size);
  return file;
}

TEST(WalFrame, ScansWhatWasWrittenUpToTheZeros) {
  const auto file = file_of(7, {"one", "", "three"});
  const Scanned scanned = scan(file, 7, 1);
  ASSERT_EQ(scanned.frames.size(), 3u);
  EXPECT_EQ(as_text(scanned.frames[0].payload), "one");
  EXPECT_EQ(as_text(scanned.frames[2].payload), "three");
  EXPECT_EQ(scanned.end, kFileHeaderSize + frame_size(3) + frame_size(0) + frame_size(5));
  EXPECT_FALSE(scanned.damaged);
  EXPECT_FALSE(scanned.torn);
}

TEST(WalFrame, EveryFlippedByteOfTheLastFrameIsTornAndOfAnEarlierOneDamage) {
  const auto good = file_of(7, {"first frame", "last frame"});
  const size_t last = kFileHeaderSize + frame_size(11);
  const size_t end = last + kFrameHeaderSize + 10;
  for (size_t at = kFileHeaderSize; at < end; ++at) {
    if (at == kFileHeaderSize + kFrameHeaderSize + 11) at = last;  // padding
    auto file = good;
    file[at] ^= std::byte{0x40};
    const Scanned scanned = scan(file, 7, 1);
    EXPECT_EQ(scanned.frames.size(), at < last ? 0u : 1u) << at;
    EXPECT_EQ(scanned.damaged, at < last) << at;
  }
}

TEST(WalFrame, FramesOfTheFilesFormerUseAreNothing) {
  auto file = file_of(6, {"old", "old too"});
  const auto header = encode_file_header({.sequence = 7, .first_number = 40});
  std::ranges::copy(header, file.begin());
  const Scanned scanned = scan(file, 7, 40);
  EXPECT_TRUE(scanned.frames.empty());
  EXPECT_FALSE(scanned.damaged);
  EXPECT_FALSE(scanned.torn);
}

TEST(WalFrame, RefusesAHeaderWithAnyByteFlipped) {
  const auto good = encode_file_header({.sequence = 7, .first_number = 9});
  ASSERT_TRUE(decode_file_header(good));
  EXPECT_EQ(decode_file_header(good)->first_number, 9u);
  for (size_t at = 0; at < kFileHeaderSize; ++at) {
    if (at >= 12 && at < 16) continue;  // reserved
    auto bad = good;
    bad[at] ^= std::byte{1};
    EXPECT_FALSE(decode_file_header(bad)) << at;
  }
}

TEST(WalFrame, ReadsNothingBeyondACutFile) {
  const auto file = file_of(7, {"payload"}, kFileHeaderSize + frame_size(7));
  for (size_t size = 0; size < file.size(); ++size) {
    const Scanned scanned = scan(ByteView(file).first(size), 7, 1);
    const bool whole = size >= kFileHeaderSize + kFrameHeaderSize + 7;
    EXPECT_EQ(scanned.frames.size(), whole ? 1u : 0u) << size;
  }
}

}  // namespace
}  // namespace sluice::broker::wal
