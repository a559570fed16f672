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
  /// Receives until `whole` says how many bytes the answer has, and these; what it said. `whole`
  /// sees what came so far and says 0 while it cannot tell; `into` has room for all.
  size_t receive(const std::function<size_t(ByteView)>& whole, MutableBytes into) const;

 private:
  int descriptor_;
};

/// How a peer is asked for small things again and again.
struct Question {
  ByteView request;
  std::function<size_t(ByteView)> whole;
};

/// One request at a time on each connection, `count` answers in all.
Latencies ask(const std::vector<RawConnection>& connections, const Question& question,
              size_t count);

}  // namespace sluice::bench
