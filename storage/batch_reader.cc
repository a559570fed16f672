#include "storage/batch_reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proto/record/batch.h"

namespace sluice::storage {
namespace {

constexpr size_t kRun = 1_MiB;

}  // namespace

io::Task<Result<ByteView>> BatchReader::next() {
  position_ = next_position_;
  if (position_ >= bytes_) co_return ByteView{};
  for (size_t wanted = kRun;;) {
    CO_RETURN_IF_ERROR(make_room(wanted));
    const size_t asked = std::min<uint64_t>(wanted, bytes_ - position_);
    CO_ASSIGN_OR_RETURN(const size_t filled,
                        co_await file_->read_at(position_, MutableBytes(buffer_).first(asked),
                                                io::Lane::background));
    CO_ASSIGN_OR_RETURN(const size_t whole, whole_batches(filled));
    if (whole <= filled) {
      next_position_ = position_ + whole;
      co_return ByteView(buffer_).first(whole);
    }
    if (position_ + whole > bytes_ || filled < asked) {
      co_return fail(Errc::corrupt_batch, file_->path() + ": the batch at byte " +
                                              std::to_string(position_) +
                                              " ends behind the segment");
    }
    wanted = whole;
  }
}

Result<> BatchReader::make_room(size_t size) {
  if (buffer_.size() >= size) return {};
  ASSIGN_OR_RETURN(auto charge, budget_.reserve(size));
  buffer_ = std::vector<std::byte>(size);
  charged_ = std::move(charge);
  return {};
}

Result<size_t> BatchReader::whole_batches(size_t filled) const {
  record::BatchCursor cursor(ByteView(buffer_).first(filled));
  for (;;) {
    const auto batch = cursor.next();
    if (batch && *batch) continue;
    // What does not parse is told when a run begins with it.
    if (cursor.position() > 0) return cursor.position();
    const ByteView first = ByteView(buffer_).first(filled);
    auto header = record::decode_header(first);
    if (!header) {
      return fail(std::move(header).error().with_context(file_->path() + ": byte " +
                                                         std::to_string(position_)));
    }
    return header->size_in_bytes();
  }
}

}  // namespace sluice::storage
