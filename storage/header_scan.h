#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.h"
#include "io/disk.h"
#include "proto/record/batch.h"

namespace sluice::storage {

struct PlacedHeader {
  record::BatchHeader header;
  uint64_t position = 0;

  uint64_t end() const { return position + header.size_in_bytes(); }
};

/// Walks the batch headers of a segment without reading what is between them, a KiB at a time.
class HeaderScan {
 public:
  /// From `position`, where a batch begins, up to `end`.
  HeaderScan(std::shared_ptr<io::File> file, uint64_t position, uint64_t end, io::Lane lane)
      : file_(std::move(file)), position_(position), end_(end), lane_(lane) {}

  /// Nothing at the end. corrupt_batch, also when a batch does not end before `end`.
  io::Task<Result<std::optional<PlacedHeader>>> next();
  uint64_t position() const { return position_; }

 private:
  using Next = Result<std::optional<PlacedHeader>>;
  io::Task<Next> read_next();
  Next decode(ByteView bytes);

  std::shared_ptr<io::File> file_;
  uint64_t position_;
  const uint64_t end_;
  const io::Lane lane_;
  uint64_t buffered_at_ = 0;
  size_t buffered_ = 0;
  std::array<std::byte, 1_KiB> buffer_;
};

}  // namespace sluice::storage
