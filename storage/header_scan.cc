#include "storage/header_scan.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sluice::storage {

io::Task<HeaderScan::Next> HeaderScan::next() {
  if (position_ >= end_) return io::Task<Next>::ready(std::nullopt);
  if (position_ >= buffered_at_ && position_ + record::kHeaderSize <= buffered_at_ + buffered_) {
    const ByteView buffered(buffer_.data(), buffered_);
    return io::Task<Next>::ready(decode(buffered.subspan(position_ - buffered_at_)));
  }
  return read_next();
}

io::Task<HeaderScan::Next> HeaderScan::read_next() {
  const size_t wanted = std::min<uint64_t>(buffer_.size(), end_ - position_);
  CO_ASSIGN_OR_RETURN(
      buffered_, co_await file_->read_at(position_, MutableBytes(buffer_.data(), wanted), lane_));
  buffered_at_ = position_;
  co_return decode(ByteView(buffer_.data(), buffered_));
}

HeaderScan::Next HeaderScan::decode(ByteView bytes) {
  ASSIGN_OR_RETURN(const record::BatchHeader header, record::decode_header(bytes));
  PlacedHeader placed{.header = header, .position = position_};
  if (placed.end() > end_) {
    return fail(Errc::corrupt_batch, file_->path() + ": the batch at byte " +
                                         std::to_string(position_) + " ends behind the log");
  }
  position_ = placed.end();
  return placed;
}

}  // namespace sluice::storage
