#include "proto/record/compression.h"

#include <algorithm>
#include <array>
#include <string>

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/check.h"
#include "proto/record/lz4_frame.h"
#include "proto/record/output.h"
#include "proto/record/snappy_framing.h"

namespace sluice::record {
namespace {

constexpr std::array<std::string_view, 5> kCodecNames = {"none", "gzip", "snappy", "lz4", "zstd"};

/// To zlib: a gzip member around the largest window.
constexpr int kGzipWindow = 15 + 16;
constexpr int kZlibMemory = 8;

/// What an output begins with when nothing tells its size.
size_t first_guess(size_t input_size, size_t max_size) {
  return std::min(std::max<size_t>(4 * input_size, 16_KiB), max_size);
}

std::unexpected<Error> unknown_codec(Codec codec) {
  return fail(Errc::unsupported_compression,
              "compression codec " + std::to_string(static_cast<int>(codec)) + " is not known");
}

Error bad_level(Codec codec, int level) {
  std::string detail = "compression level " + std::to_string(level) + " is not one of ";
  detail += name_of(codec);
  return {Errc::invalid_argument, std::move(detail)};
}

Bytef* zlib_bytes(const std::byte* at) {
  // zlib's next_in is not const in its C interface; it does not write through it.
  return reinterpret_cast<Bytef*>(const_cast<std::byte*>(at));
}

}  // namespace

std::string_view name_of(Codec codec) {
  const auto index = static_cast<size_t>(codec);
  return index < kCodecNames.size() ? kCodecNames[index] : "unknown";
}

std::optional<Codec> codec_from_name(std::string_view name) {
  const auto found = std::ranges::find(kCodecNames, name);
  if (found == kCodecNames.end()) return std::nullopt;
  return static_cast<Codec>(found - kCodecNames.begin());
}

struct Compressor::Contexts {
  ~Contexts() {
    if (gzip_ready) deflateEnd(&gzip);
    LZ4F_freeCompressionContext(lz4);
    ZSTD_freeCCtx(zstd);
  }

  Result<> gzip_into(std::vector<std::byte>& out, ByteView input, int level);
  Result<> lz4_into(std::vector<std::byte>& out, ByteView input, int level);
  Result<> zstd_into(std::vector<std::byte>& out, ByteView input, int level);

  z_stream gzip{};
  bool gzip_ready = false;
  int gzip_level = 0;
  LZ4F_cctx* lz4 = nullptr;
  ZSTD_CCtx* zstd = nullptr;
};

Result<> Compressor::Contexts::gzip_into(std::vector<std::byte>& out, ByteView input, int level) {
  if (level < Z_DEFAULT_COMPRESSION || level > Z_BEST_COMPRESSION) {
    return fail(bad_level(Codec::gzip, level));
  }
  if (gzip_ready && gzip_level != level) {
    deflateEnd(&gzip);
    gzip_ready = false;
  }
  if (!gzip_ready) {
    gzip = {};
    if (deflateInit2(&gzip, level, Z_DEFLATED, kGzipWindow, kZlibMemory, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
      return fail(Errc::out_of_memory);
    }
    gzip_ready = true;
    gzip_level = level;
  } else {
    deflateReset(&gzip);
  }
  out.resize(deflateBound(&gzip, input.size()));
  gzip.next_in = zlib_bytes(input.data());
  gzip.avail_in = static_cast<uInt>(input.size());
  gzip.next_out = zlib_bytes(out.data());
  gzip.avail_out = static_cast<uInt>(out.size());
  CHECK(deflate(&gzip, Z_FINISH) == Z_STREAM_END, "deflateBound() is an upper bound");
  out.resize(gzip.total_out);
  return {};
}

Result<> Compressor::Contexts::lz4_into(std::vector<std::byte>& out, ByteView input, int level) {
  if (lz4 == nullptr && LZ4F_isError(LZ4F_createCompressionContext(&lz4, LZ4F_VERSION))) {
    return fail(Errc::out_of_memory);
  }
  if (level < 0 || level > LZ4F_compressionLevel_max()) return fail(bad_level(Codec::lz4, level));
  LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
  // Java's reader refuses linked blocks.
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.compressionLevel = level;
  out.resize(LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(input.size(), &preferences));
  std::byte* at = out.data();
  std::byte* const end = at + out.size();
  size_t written = LZ4F_compressBegin(lz4, at, static_cast<size_t>(end - at), &preferences);
  CHECK(!LZ4F_isError(written), "the output has room for the lz4 frame header");
  at += written;
  written = LZ4F_compressUpdate(lz4, at, static_cast<size_t>(end - at), input.data(), input.size(),
                                nullptr);
  CHECK(!LZ4F_isError(written), "LZ4F_compressBound() is an upper bound");
  at += written;
  written = LZ4F_compressEnd(lz4, at, static_cast<size_t>(end - at), nullptr);
  CHECK(!LZ4F_isError(written), "LZ4F_compressBound() covers the end of the frame");
  at += written;
  out.resize(static_cast<size_t>(at - out.data()));
  return {};
}

Result<> Compressor::Contexts::zstd_into(std::vector<std::byte>& out, ByteView input, int level) {
  if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel()) {
    return fail(bad_level(Codec::zstd, level));
  }
  if (zstd == nullptr) zstd = ZSTD_createCCtx();
  if (zstd == nullptr) return fail(Errc::out_of_memory);
  out.resize(ZSTD_compressBound(input.size()));
  const size_t size =
      ZSTD_compressCCtx(zstd, out.data(), out.size(), input.data(), input.size(), level);
  if (ZSTD_isError(size)) return fail(Errc::out_of_memory, ZSTD_getErrorName(size));
  out.resize(size);
  return {};
}

Compressor::Compressor() : contexts_(std::make_unique<Contexts>()) {}
Compressor::~Compressor() = default;
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;

Result<> Compressor::compress(Codec codec, ByteView input, std::vector<std::byte>& out,
                              std::optional<int> level) {
  CHECK(input.size() <= kMaxBatchSize, "a batch's records fit in a batch");
  switch (codec) {
    case Codec::none:
      out.assign(input.begin(), input.end());
      return {};
    case Codec::gzip:
      return contexts_->gzip_into(out, input, level.value_or(Z_DEFAULT_COMPRESSION));
    case Codec::snappy:
      compress_snappy(input, out);
      return {};
    case Codec::lz4:
      return contexts_->lz4_into(out, input, level.value_or(0));
    case Codec::zstd:
      return contexts_->zstd_into(out, input, level.value_or(ZSTD_CLEVEL_DEFAULT));
  }
  return unknown_codec(codec);
}

struct Decompressor::Contexts {
  ~Contexts() {
    if (gzip_ready) inflateEnd(&gzip);
    ZSTD_freeDCtx(zstd);
  }

  Result<> gzip_into(std::vector<std::byte>& out, ByteView input, size_t max_size);
  Result<> zstd_into(std::vector<std::byte>& out, ByteView input, size_t max_size);

  z_stream gzip{};
  bool gzip_ready = false;
  ZSTD_DCtx* zstd = nullptr;
};

Result<> Decompressor::Contexts::gzip_into(std::vector<std::byte>& out, ByteView input,
                                           size_t max_size) {
  if (!gzip_ready) {
    if (inflateInit2(&gzip, kGzipWindow) != Z_OK) return fail(Errc::out_of_memory);
    gzip_ready = true;
  } else {
    inflateReset(&gzip);
  }
  make_room(out, first_guess(input.size(), max_size), max_size);
  size_t used = 0;
  gzip.next_in = zlib_bytes(input.data());
  gzip.avail_in = static_cast<uInt>(input.size());
  while (true) {
    if (used == out.size() && used < max_size) make_room(out, used + 1, max_size);
    // One byte beyond a full output tells a content that just fits from one that is too large.
    Bytef beyond = 0;
    const bool full = used >= max_size;
    gzip.next_out = full ? &beyond : zlib_bytes(out.data() + used);
    gzip.avail_out = full ? 1 : static_cast<uInt>(std::min(out.size(), max_size) - used);
    const uInt room = gzip.avail_out;
    const int status = inflate(&gzip, Z_NO_FLUSH);
    const size_t produced = room - gzip.avail_out;
    if (full && produced > 0) return inflates_beyond(max_size);
    used += produced;
    if (status == Z_STREAM_END) {
      if (gzip.avail_in == 0) break;
      // GZIPInputStream reads members one after the other, so we do.
      inflateReset(&gzip);
    } else if (status != Z_OK || (gzip.avail_in == 0 && gzip.avail_out > 0)) {
      return undecodable("gzip");
    }
  }
  out.resize(used);
  return {};
}

Result<> Decompressor::Contexts::zstd_into(std::vector<std::byte>& out, ByteView input,
                                           size_t max_size) {
  if (zstd == nullptr) zstd = ZSTD_createDCtx();
  if (zstd == nullptr) return fail(Errc::out_of_memory);
  // In one pass into `out`, again with more room where the frames do not tell their size: zstd's
  // streaming interface would allocate a window of the size that the frame claims to need.
  make_room(out, first_guess(input.size(), max_size), max_size);
  while (true) {
    const size_t room = std::min(out.size(), max_size);
    const size_t size = ZSTD_decompressDCtx(zstd, out.data(), room, input.data(), input.size());
    if (!ZSTD_isError(size)) {
      out.resize(size);
      return {};
    }
    if (ZSTD_getErrorCode(size) != ZSTD_error_dstSize_tooSmall) return undecodable("zstd");
    if (room == max_size) return inflates_beyond(max_size);
    make_room(out, std::min(2 * room, max_size), max_size);
  }
}

Decompressor::Decompressor() : contexts_(std::make_unique<Contexts>()) {}
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

Result<> Decompressor::decompress(Codec codec, ByteView input, size_t max_size,
                                  std::vector<std::byte>& out) {
  // Sizes inside a batch are 32 bits, so nothing valid is larger.
  max_size = std::min(max_size, kMaxBatchSize);
  // Every format writes something for nothing, though zstd would read nothing from nothing.
  if (input.empty() && codec != Codec::none && codec <= Codec::zstd) {
    return undecodable(name_of(codec));
  }
  switch (codec) {
    case Codec::none:
      if (input.size() > max_size) return inflates_beyond(max_size);
      out.assign(input.begin(), input.end());
      return {};
    case Codec::gzip:
      return contexts_->gzip_into(out, input, max_size);
    case Codec::snappy:
      return decompress_snappy(input, max_size, out);
    case Codec::lz4:
      return decompress_lz4(input, max_size, out);
    case Codec::zstd:
      return contexts_->zstd_into(out, input, max_size);
  }
  return unknown_codec(codec);
}

Result<ByteView> records_of(const BatchView& batch, Decompressor& decompressor, size_t max_size,
                            std::vector<std::byte>& scratch) {
  if (!batch.header().is_compressed()) return batch.payload();
  RETURN_IF_ERROR(
      decompressor.decompress(batch.header().codec(), batch.payload(), max_size, scratch));
  return scratch;
}

}  // namespace sluice::record
