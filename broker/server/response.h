#pragma once

#include <array>
#include <cstddef>

#include <absl/container/inlined_vector.h>

#include "base/buffer_pool.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "storage/file_slice.h"

namespace sluice::broker {

/// What goes back for a request: bytes, and behind them pieces of logs.
class Response {
 public:
  /// Room for `size` bytes, inside when small, else from the pool; out_of_memory.
  Result<MutableBytes> make_room(size_t size, BufferPool& pool) {
    size_ = size;
    if (size <= inside_.size()) return MutableBytes(inside_).first(size);
    auto buffer = pool.take(size);
    if (!buffer) {
      size_ = 0;
      return fail(std::move(buffer).error());
    }
    outside_ = std::move(*buffer);
    return outside_.bytes().first(size);
  }
  ByteView bytes() const {
    return outside_ ? ByteView(outside_.bytes()).first(size_) : ByteView(inside_).first(size_);
  }
  /// Ready for the next request.
  void clear() {
    outside_ = Buffer();
    size_ = 0;
    slices.clear();
    close_after = false;
  }

  absl::InlinedVector<storage::FileSlice, 1> slices;
  /// The connection ends once this is sent. Without bytes: at once, in its turn.
  bool close_after = false;

 private:
  std::array<std::byte, 256> inside_;
  Buffer outside_;
  size_t size_ = 0;
};

}  // namespace sluice::broker
