#include "storage/segment_check.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"

namespace sluice::storage {
namespace {

/// Candidates whose checksum is computed when a good batch is looked for behind a bad one; enough
/// for any real log, a bound for a hostile one.
constexpr int kMostCandidates = 4096;

}  // namespace

SegmentCheck::SegmentCheck(std::shared_ptr<io::File> file, uint64_t size, Offset base, Offset limit,
                           bool dense)
    : file_(std::move(file)),
      size_(size),
      expected_(base),
      limit_(limit),
      dense_(dense),
      before_{0, base},
      buffer_(std::min<uint64_t>(kChunk, size)) {}

ByteView SegmentCheck::buffered(uint64_t position) const {
  if (position < buffer_at_ || position >= buffer_at_ + buffer_size_) return {};
  return ByteView(buffer_.data(), buffer_size_).subspan(position - buffer_at_);
}

io::Task<Result<>> SegmentCheck::fill(uint64_t position) {
  const size_t wanted = std::min<uint64_t>(buffer_.size(), size_ - position);
  CO_ASSIGN_OR_RETURN(
      buffer_size_,
      co_await file_->read_at(position, MutableBytes(buffer_.data(), wanted), io::Lane::cold));
  buffer_at_ = position;
  co_return {};
}

io::Task<SegmentCheck::Next> SegmentCheck::next() {
  if (position_ >= size_ || failure_) return io::Task<Next>::ready(std::nullopt);
  const ByteView bytes = buffered(position_);
  if (bytes.size() < record::kHeaderSize) return next_slowly();
  const auto batch = decode(bytes);
  if (!batch) return io::Task<Next>::ready(std::nullopt);
  const size_t size = batch->header.size_in_bytes();
  if (size > bytes.size()) return next_slowly();
  return io::Task<Next>::ready(accept(*batch, record::compute_crc(bytes.first(size))));
}

io::Task<SegmentCheck::Next> SegmentCheck::next_slowly() {
  CO_RETURN_IF_ERROR(co_await fill(position_));
  const auto batch = decode(buffered(position_));
  if (!batch) co_return std::nullopt;
  CO_ASSIGN_OR_RETURN(const uint32_t crc, co_await crc_of(*batch));
  co_return accept(*batch, crc);
}

std::optional<PlacedHeader> SegmentCheck::decode(ByteView bytes) {
  auto header = record::decode_header(bytes);
  if (!header) {
    failure_ = std::string(header.error().message());
    cut_short_ = size_ - position_ < record::kHeaderSize;
    return std::nullopt;
  }
  const PlacedHeader batch{.header = *header, .position = position_};
  if (batch.end() > size_) {
    failure_ = "the batch ends behind the end of the file";
    cut_short_ = true;
  } else if (header->base_offset < expected_) {
    failure_ = "offset " + std::to_string(header->base_offset.value()) + " where " +
               std::to_string(expected_.value()) + " or more is expected";
    overlaps_ = true;
  } else if (dense_ && header->base_offset > expected_) {
    failure_ = "offset " + std::to_string(header->base_offset.value()) + " where " +
               std::to_string(expected_.value()) + " is expected";
  } else if (header->next_offset() > limit_) {
    failure_ = "offset " + std::to_string(header->last_offset().value()) +
               " where the next segment begins at " + std::to_string(limit_.value());
  }
  if (failure_) return std::nullopt;
  return batch;
}

SegmentCheck::Next SegmentCheck::accept(const PlacedHeader& batch, uint32_t crc) {
  if (crc != batch.header.crc) {
    failure_ = "the batch with offset " + std::to_string(batch.header.base_offset.value()) +
               " fails its checksum";
    return std::nullopt;
  }
  before_ = {position_, expected_};
  position_ = batch.end();
  expected_ = batch.header.next_offset();
  return batch;
}

io::Task<Result<uint32_t>> SegmentCheck::crc_of(PlacedHeader batch) {
  uint32_t crc = 0;
  for (uint64_t at = batch.position + record::kCrcStart; at < batch.end();) {
    if (buffered(at).empty()) CO_RETURN_IF_ERROR(co_await fill(at));
    ByteView bytes = buffered(at);
    // A file that is shorter than it said it was fails the checksum.
    if (bytes.empty()) co_return ~batch.header.crc;
    bytes = bytes.first(std::min<uint64_t>(bytes.size(), batch.end() - at));
    crc = crc32c(bytes, crc);
    at += bytes.size();
  }
  co_return crc;
}

io::Task<Result<bool>> SegmentCheck::is_good_batch(uint64_t position) {
  const ByteView bytes = buffered(position);
  const auto header = record::decode_header(bytes);
  if (!header || header->base_offset < expected_ || header->next_offset() > limit_) co_return false;
  const PlacedHeader batch{.header = *header, .position = position};
  if (batch.end() > size_) co_return false;
  CO_ASSIGN_OR_RETURN(const uint32_t crc, co_await crc_of(batch));
  co_return crc == header->crc;
}

io::Task<Result<bool>> SegmentCheck::is_blank_behind() {
  for (uint64_t at = position_; at < size_;) {
    if (buffered(at).empty()) CO_RETURN_IF_ERROR(co_await fill(at));
    const ByteView bytes = buffered(at);
    if (bytes.empty()) break;
    if (std::ranges::any_of(bytes, [](std::byte byte) { return byte != std::byte{0}; })) {
      co_return false;
    }
    at += bytes.size();
  }
  co_return true;
}

io::Task<Result<bool>> SegmentCheck::good_batch_behind() {
  CO_ASSIGN_OR_RETURN(const auto found, co_await find_behind());
  co_return found.has_value();
}

SegmentCheck::Damage SegmentCheck::damage() const {
  return overlaps_ ? before_ : Damage{position_, expected_};
}

io::Task<Result<bool>> SegmentCheck::skip_damage() {
  CHECK(failure_.has_value(), "only damage is skipped");
  const Damage begin = damage();
  position_ = begin.position;
  expected_ = begin.from;
  CO_ASSIGN_OR_RETURN(const auto found, co_await find_behind());
  if (!found) co_return false;
  position_ = found->position;
  expected_ = found->header.base_offset;
  before_ = {position_, expected_};
  overlaps_ = false;
  cut_short_ = false;
  failure_.reset();
  co_return true;
}

io::Task<Result<std::optional<PlacedHeader>>> SegmentCheck::find_behind() {
  int candidates = 0;
  for (uint64_t at = position_ + 1; at + record::kHeaderSize <= size_;) {
    if (buffered(at).size() < record::kHeaderSize) CO_RETURN_IF_ERROR(co_await fill(at));
    const ByteView bytes = buffered(at);
    if (bytes.size() < record::kHeaderSize) co_return std::nullopt;
    // The magic byte is what all good batches share.
    const std::byte* magic = bytes.data() + record::kMagicAt;
    const void* found = std::memchr(magic, record::kMagic, bytes.size() - record::kHeaderSize + 1);
    if (found == nullptr) {
      at += bytes.size() - record::kHeaderSize + 1;
      continue;
    }
    at += static_cast<size_t>(static_cast<const std::byte*>(found) - magic);
    if (record::decode_header(buffered(at))) {
      if (++candidates > kMostCandidates) co_return std::nullopt;
      CO_ASSIGN_OR_RETURN(const bool good, co_await is_good_batch(at));
      if (good) {
        if (buffered(at).size() < record::kHeaderSize) CO_RETURN_IF_ERROR(co_await fill(at));
        CO_ASSIGN_OR_RETURN(const auto header, record::decode_header(buffered(at)));
        co_return PlacedHeader{.header = header, .position = at};
      }
    }
    ++at;
  }
  co_return std::nullopt;
}

}  // namespace sluice::storage
