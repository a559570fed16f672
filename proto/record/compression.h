#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/record/batch.h"

namespace sluice::record {

/// "none", "gzip", "snappy", "lz4", "zstd", as configuration and command line spell them.
std::string_view name_of(Codec codec);
std::optional<Codec> codec_from_name(std::string_view name);

/// Compresses payloads the way Kafka's Java client does: gzip members, snappy in the framing of
/// xerial's snappy-java, lz4 frames of independent blocks, zstd frames. Keeps the libraries'
/// contexts between calls; make one a worker. Not thread-safe.
class Compressor {
 public:
  Compressor();
  ~Compressor();
  Compressor(Compressor&&) noexcept;
  Compressor& operator=(Compressor&&) noexcept;

  /// Replaces the content of `out`, whose capacity is reused. `level` has the codec's own scale,
  /// its library's default when absent; snappy has none.
  /// Errors: unsupported_compression for a codec that is not known, invalid_argument for a level
  /// that the codec does not have.
  Result<> compress(Codec codec, ByteView input, std::vector<std::byte>& out,
                    std::optional<int> level = std::nullopt);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
};

/// Inflates payloads of any producer: gzip (also several members), snappy raw and in xerial's
/// framing, lz4 frames with independent or linked blocks, zstd frames. Keeps the libraries'
/// contexts between calls; make one a worker. Not thread-safe.
class Decompressor {
 public:
  Decompressor();
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;

  /// Replaces the content of `out`, whose capacity is reused and never grows beyond `max_size`, no
  /// matter what sizes the input claims.
  /// Errors: batch_too_large when the content is larger than `max_size`, invalid_record when the
  /// input does not decode, unsupported_compression for a codec that is not known.
  Result<> decompress(Codec codec, ByteView input, size_t max_size, std::vector<std::byte>& out);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
};

/// The records of a batch, ready for a RecordReader: the batch's own bytes when it is not
/// compressed, else inflated into `scratch`. Errors as Decompressor::decompress.
Result<ByteView> records_of(const BatchView& batch, Decompressor& decompressor, size_t max_size,
                            std::vector<std::byte>& scratch);

}  // namespace sluice::record
