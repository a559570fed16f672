#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "bench/load/floors.h"

namespace sluice::bench {

/// A blocking TCP connection with no client around it. Floors and the broker are asked through the
/// same one, so that what differs is what answers. Dies with a message when the peer goes away.
class RawConnection {
 public:
  /// `host` is an IPv4 address.
  RawConnection(const std::string& host, uint16_t port);
  ~RawConnection();
  RawConnection(RawConnection&& other) noexcept;
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  int descriptor() const { return descriptor_; }
  void send(ByteView bytes) const;
  /// At least one byte.
  size_t receive_some(MutableBytes into) const;
  /// Receives until `whole` says how many bytes the answer has, and these; what it said. `whole`
  /// sees what came so far and says 0 while it cannot tell; `into` has room for all.
  size_t receive(const std::function<size_t(ByteView)>& whole, MutableBytes into) const;

 private:
  int descriptor_;
};

/// Does `work` `count` times at `rate` a second; the times it took, from when each was due.
Latencies at_rate(double rate, size_t count, const std::function<void()>& work);

/// How a peer is asked for small things again and again.
struct Question {
  ByteView request;
  std::function<size_t(ByteView)> whole;
};

/// One request at a time on each connection, `count` answers in all.
Latencies ask(const std::vector<RawConnection>& connections, const Question& question,
              size_t count);

/// Keeps `window` requests under way on one connection until `count` were answered.
Rate stream(const RawConnection& connection, const Question& question, size_t window, size_t count);

}  // namespace sluice::bench
