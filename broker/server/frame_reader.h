#pragma once

#include <array>
#include <cstddef>

#include "base/bytes.h"
#include "base/result.h"
#include "broker/server/chunk.h"
#include "broker/server/protocol.h"

namespace sluice::broker {

/// Cuts what a connection receives into frames, in place. Between turns it holds a chunk only while
/// a frame is on its way; the first bytes of one are kept inside, without a chunk.
class FrameReader {
 public:
  /// Where the next bytes go; empty: a chunk is needed first, with room for head().size.
  MutableBytes space();
  void received(size_t bytes) { filled_ += bytes; }

  /// Room for the head of a frame only, to learn its size and class while chunks are short. Not
  /// while there is a chunk.
  MutableBytes head_space();

  /// Bytes that belong to no frame handed out yet.
  ByteView rest() const { return current().subspan(taken_, filled_ - taken_); }
  void skip(size_t bytes) { taken_ += bytes; }

  struct Next {
    /// Empty while the frame is not complete.
    MutableBytes frame;
    ChunkRef chunk;
    TrafficClass traffic = TrafficClass::client;
  };
  /// The next frame, if all of it is there. Errors are the protocol's.
  Result<Next> next(Protocol& protocol);

  /// Size and class of the frame on its way; 0 while unknown.
  const FrameHead& head() const { return head_; }
  bool partial() const { return filled_ > taken_; }
  bool holds_chunk() const { return static_cast<bool>(chunk_); }

  /// Goes on in `chunk`, which has room for the frame on its way: moves what is there of it.
  void continue_in(ChunkRef chunk);
  /// Gives the admission of the chunk back, before waiting for a larger one.
  void release_grant() {
    if (chunk_) chunk_.release_grant();
  }
  /// Nothing more comes for now: gives up what is not needed.
  void park();

 private:
  ByteView current() const { return chunk_ ? ByteView(chunk_->bytes()) : ByteView(inside_); }

  ChunkRef chunk_;
  size_t taken_ = 0;
  size_t filled_ = 0;
  FrameHead head_;
  std::array<std::byte, Protocol::kHeadBytes> inside_;
};

}  // namespace sluice::broker
