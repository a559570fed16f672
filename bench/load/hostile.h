#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "bench/load/peer.h"

namespace sluice::bench {

struct HostileOptions {
  /// Connections that announce a frame of so many bytes and send a part of it, a little each
  /// second.
  size_t announcers = 5000;
  size_t announced_bytes = 50'000'000;
  /// Connections that ask for all that a fetch may carry, several times, and read nothing.
  size_t silent_fetchers = 200;
  /// So long.
  double seconds = 30;
};

struct HostileOutcome {
  size_t connected = 0;
  /// By the broker, or refused by it; each is tried again a second later.
  size_t closed = 0;
  /// The most that was seen of the broker's anonymous memory.
  uint64_t anonymous_bytes = 0;
};

/// Clients that want to use up a broker's memory; the peer names a topic with something to fetch.
/// `pid` is the broker's. Stops early when that has ended.
HostileOutcome press(const Peer& peer, int pid, const HostileOptions& options);

/// RssAnon of /proc/PID/status; 0 when the process has ended.
uint64_t anonymous_bytes(int pid);

}  // namespace sluice::bench
