#include "broker/server/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace sluice::broker {

MutableBytes FrameReader::space() {
  if (!chunk_) return {};
  const MutableBytes all = chunk_->bytes();
  const size_t unread = filled_ - taken_;
  if (taken_ > 0 && chunk_.unique()) {
    // To the front when the frame would not fit, or when it costs next to nothing.
    const size_t needed = std::max(head_.size, unread + 1);
    if (unread == 0 || (needed > all.size() - taken_ && needed <= all.size())) {
      std::memmove(all.data(), all.data() + taken_, unread);
      taken_ = 0;
      filled_ = unread;
    }
  }
  if (head_.size > all.size() - taken_) return {};
  // The rest of a chunk whose frames are still needed is not worth a system call.
  if (unread == 0 && all.size() - filled_ < all.size() / 4) return {};
  return all.subspan(filled_);
}

MutableBytes FrameReader::head_space() {
  CHECK(!chunk_, "a head is read by itself only without a chunk");
  const size_t unread = filled_ - taken_;
  std::memmove(inside_.data(), inside_.data() + taken_, unread);
  taken_ = 0;
  filled_ = unread;
  return MutableBytes(inside_).subspan(filled_);
}

Result<FrameReader::Next> FrameReader::next(Protocol& protocol) {
  const ByteView unread = rest();
  if (unread.empty()) return Next{};
  if (head_.size == 0) {
    auto head = protocol.measure(unread.first(std::min(unread.size(), Protocol::kHeadBytes)));
    if (!head) return fail(std::move(head).error());
    head_ = *head;
  }
  if (head_.size == 0 || unread.size() < head_.size) return Next{};
  if (!chunk_) return Next{};  // a frame that fits inside is handed out of a chunk all the same
  Next next{chunk_->bytes().subspan(taken_, head_.size), chunk_, head_.traffic};
  taken_ += head_.size;
  head_ = {};
  return next;
}

void FrameReader::continue_in(ChunkRef chunk) {
  const ByteView unread = rest();
  CHECK(chunk->bytes().size() >= std::max(unread.size(), head_.size),
        "a chunk has room for the frame it is taken for");
  if (!unread.empty()) std::memcpy(chunk->bytes().data(), unread.data(), unread.size());
  taken_ = 0;
  filled_ = unread.size();
  chunk_ = std::move(chunk);
}

void FrameReader::park() {
  if (!chunk_) return;
  const ByteView unread = rest();
  if (unread.size() > inside_.size()) return;
  if (!unread.empty()) std::memcpy(inside_.data(), unread.data(), unread.size());
  taken_ = 0;
  filled_ = unread.size();
  chunk_ = ChunkRef();
}

}  // namespace sluice::broker
