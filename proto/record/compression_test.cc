#include "proto/record/compression.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include "base/random.h"

namespace sluice::record {
namespace {

constexpr Codec kCodecs[] = {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd};

std::vector<std::byte> some_bytes(size_t size, uint64_t letters, uint64_t seed = 1) {
  SeededRandom random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.below(letters));
  return bytes;
}

Result<std::vector<std::byte>> inflated(Codec codec, ByteView input, size_t max_size = 16_MiB) {
  Decompressor decompressor;
  std::vector<std::byte> out;
  RETURN_IF_ERROR(decompressor.decompress(codec, input, max_size, out));
  return out;
}

std::vector<std::byte> compressed(Codec codec, ByteView input) {
  Compressor compressor;
  std::vector<std::byte> out;
  EXPECT_TRUE(compressor.compress(codec, input, out).has_value());
  return out;
}

class EveryCodec : public ::testing::TestWithParam<Codec> {};

TEST_P(EveryCodec, RoundTripsAllSizesWithReusedContexts) {
  Compressor compressor;
  Decompressor decompressor;
  std::vector<std::byte> small;
  std::vector<std::byte> back;
  for (size_t size : {0, 1, 2, 15, 16, 100, 32767, 32768, 32769, 65536, 70000, 300000, 3}) {
    for (uint64_t letters : {1, 4, 256}) {
      const auto input = some_bytes(size, letters);
      ASSERT_TRUE(compressor.compress(GetParam(), input, small).has_value());
      ASSERT_TRUE(decompressor.decompress(GetParam(), small, size, back).has_value()) << size;
      ASSERT_EQ(back, input) << size;
    }
  }
}

TEST_P(EveryCodec, RefusesOneByteBeyondTheCap) {
  for (size_t size : {1, 1000, 16384, 65536, 200'000}) {
    const auto small = compressed(GetParam(), some_bytes(size, 4));
    EXPECT_TRUE(inflated(GetParam(), small, size).has_value());
    EXPECT_EQ(inflated(GetParam(), small, size - 1).error(), Errc::batch_too_large) << size;
  }
}

TEST_P(EveryCodec, StopsABombAtTheCapWithoutAllocatingMore) {
  const auto bomb = compressed(GetParam(), std::vector<std::byte>(16_MiB));
  Decompressor decompressor;
  std::vector<std::byte> out;
  EXPECT_EQ(decompressor.decompress(GetParam(), bomb, 100'000, out).error(), Errc::batch_too_large);
  EXPECT_LE(out.capacity(), 100'000u);
}

TEST_P(EveryCodec, GivesAnErrorOrTheContentWhenABitFlips) {
  if (GetParam() == Codec::none) return;
  const auto input = some_bytes(600, 4);
  const auto good = compressed(GetParam(), input);
  Decompressor decompressor;
  std::vector<std::byte> out;
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    const auto result = decompressor.decompress(GetParam(), bad, 4_KiB, out);
    EXPECT_LE(out.capacity(), 4_KiB);
    if (result) continue;
    EXPECT_TRUE(result.error() == Errc::invalid_record || result.error() == Errc::batch_too_large);
  }
  ASSERT_TRUE(decompressor.decompress(GetParam(), good, 4_KiB, out).has_value());
  EXPECT_EQ(out, input);
}

TEST_P(EveryCodec, GivesAnErrorAtEveryCut) {
  if (GetParam() == Codec::none) return;
  const auto good = compressed(GetParam(), some_bytes(3000, 4));
  // Framed snappy cut between blocks is shorter, yet sound; one block leaves only the preamble.
  for (size_t cut = 0; cut < good.size(); ++cut) {
    if (GetParam() == Codec::snappy && cut == 16) continue;
    EXPECT_EQ(inflated(GetParam(), ByteView(good).first(cut)).error(), Errc::invalid_record) << cut;
  }
}

INSTANTIATE_TEST_SUITE_P(Compression, EveryCodec, ::testing::ValuesIn(kCodecs),
                         [](const auto& param) { return std::string(name_of(param.param)); });

TEST(Compression, KnowsCodecsByName) {
  for (Codec codec : kCodecs) EXPECT_EQ(codec_from_name(name_of(codec)), codec);
  EXPECT_EQ(codec_from_name("brotli"), std::nullopt);
}

TEST(Compression, RefusesUnknownCodecsAndLevels) {
  Compressor compressor;
  Decompressor decompressor;
  std::vector<std::byte> out;
  EXPECT_EQ(compressor.compress(Codec(5), {}, out).error(), Errc::unsupported_compression);
  EXPECT_EQ(decompressor.decompress(Codec(7), {}, 10, out).error(), Errc::unsupported_compression);
  EXPECT_EQ(compressor.compress(Codec::gzip, {}, out, 10).error(), Errc::invalid_argument);
  EXPECT_EQ(compressor.compress(Codec::lz4, {}, out, 13).error(), Errc::invalid_argument);
  EXPECT_EQ(compressor.compress(Codec::zstd, {}, out, 23).error(), Errc::invalid_argument);
}

TEST(Compression, WritesSnappyInJavasFraming) {
  const auto small = compressed(Codec::snappy, some_bytes(40'000, 4));
  const std::string_view preamble("\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
  ASSERT_GT(small.size(), preamble.size());
  EXPECT_EQ(as_text(ByteView(small).first(preamble.size())), preamble);
  const auto block = load_be<int32_t>(small.data() + 16);
  size_t size = 0;
  ASSERT_TRUE(snappy::GetUncompressedLength(reinterpret_cast<const char*>(small.data() + 20),
                                            static_cast<size_t>(block), &size));
  EXPECT_EQ(size, 32_KiB);
}

TEST(Compression, ReadsRawSnappy) {
  const auto input = some_bytes(50'000, 4);
  std::string raw;
  snappy::Compress(as_text(input).data(), input.size(), &raw);
  EXPECT_EQ(inflated(Codec::snappy, as_bytes(raw)), input);
}

TEST(Compression, RefusesSnappyThatClaimsMoreThanItCanHold) {
  // A varint of 1 GiB, then nothing.
  EXPECT_EQ(inflated(Codec::snappy, as_bytes("\x80\x80\x80\x80\x04"), 2_GiB).error(),
            Errc::invalid_record);
}

std::vector<std::byte> lz4_frame(ByteView input, const LZ4F_preferences_t& preferences) {
  std::vector<std::byte> out(LZ4F_compressFrameBound(input.size(), &preferences));
  out.resize(LZ4F_compressFrame(out.data(), out.size(), input.data(), input.size(), &preferences));
  return out;
}

TEST(Compression, ReadsEveryKindOfLz4Frame) {
  const auto input = some_bytes(1'000'000, 3);
  for (auto mode : {LZ4F_blockLinked, LZ4F_blockIndependent}) {
    for (auto block : {LZ4F_max64KB, LZ4F_max256KB, LZ4F_max1MB, LZ4F_max4MB}) {
      for (unsigned bits = 0; bits < 8; ++bits) {
        LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
        preferences.frameInfo.blockMode = mode;
        preferences.frameInfo.blockSizeID = block;
        preferences.frameInfo.blockChecksumFlag = LZ4F_blockChecksum_t(bits & 1);
        preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksum_t((bits >> 1) & 1);
        preferences.frameInfo.contentSize = (bits & 4) != 0 ? input.size() : 0;
        EXPECT_EQ(inflated(Codec::lz4, lz4_frame(input, preferences)), input);
      }
    }
  }
}

TEST(Compression, DetectsEveryFlippedByteOfAnLz4FrameWithChecksums) {
  LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
  preferences.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  const auto good = lz4_frame(some_bytes(2000, 4), preferences);
  for (size_t at = 0; at < good.size(); ++at) {
    auto bad = good;
    bad[at] ^= std::byte{0x40};
    EXPECT_FALSE(inflated(Codec::lz4, bad).has_value()) << at;
  }
}

TEST(Compression, RefusesABareLz4Block) {
  EXPECT_EQ(inflated(Codec::lz4, as_bytes("\x50hello")).error(), Errc::invalid_record);
}

template <class Encode>
void reads_two_in_a_row(Codec codec, Encode encode) {
  const auto first = some_bytes(1000, 4, 1);
  const auto second = some_bytes(70'000, 4, 2);
  auto small = encode(first);
  const auto more = encode(second);
  small.insert(small.end(), more.begin(), more.end());
  auto both = first;
  both.insert(both.end(), second.begin(), second.end());
  EXPECT_EQ(inflated(codec, small), both);
  small.push_back(std::byte{1});
  EXPECT_EQ(inflated(codec, small).error(), Errc::invalid_record);
}

TEST(Compression, ReadsMembersAndFramesInARow) {
  for (Codec codec : {Codec::gzip, Codec::lz4, Codec::zstd}) {
    reads_two_in_a_row(codec, [&](const auto& input) { return compressed(codec, input); });
  }
}

TEST(Compression, ReadsZstdThatDoesNotTellItsSize) {
  const auto input = some_bytes(900'000, 4);
  std::vector<std::byte> small(ZSTD_compressBound(input.size()));
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_outBuffer to{small.data(), small.size(), 0};
  ZSTD_inBuffer from{input.data(), input.size(), 0};
  // Flushing before the end makes the library write the header without a content size.
  while (ZSTD_compressStream2(context, &to, &from, ZSTD_e_flush) != 0) continue;
  while (ZSTD_compressStream2(context, &to, &from, ZSTD_e_end) != 0) continue;
  ZSTD_freeCCtx(context);
  small.resize(to.pos);
  ASSERT_EQ(ZSTD_getFrameContentSize(small.data(), small.size()), ZSTD_CONTENTSIZE_UNKNOWN);
  EXPECT_EQ(inflated(Codec::zstd, small), input);
  EXPECT_EQ(inflated(Codec::zstd, small, 899'999).error(), Errc::batch_too_large);
}

}  // namespace
}  // namespace sluice::record
