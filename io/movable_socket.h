#pragma once

#include "io/network.h"

namespace sluice::io {

/// What listeners accept: a socket that may change its loop while it is not known yet who is to
/// serve it.
class MovableSocket : public Socket {
 public:
  /// As readable(), or timed_out after `deadline`.
  virtual Task<Result<>> readable_by(TimePoint deadline) = 0;
  /// As try_read(), and the bytes stay there.
  virtual Result<size_t> try_peek(MutableBytes out) = 0;
  /// Leaves its loop, on which nobody waits for it; attach() follows.
  virtual void detach() = 0;
};

}  // namespace sluice::io
