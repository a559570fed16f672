#pragma once

#include <optional>
#include <vector>

#include <sys/socket.h>

#include "base/result.h"
#include "base/time.h"
#include "io/network.h"
#include "io/runtime.h"

namespace sluice::io {

/// A socket address of IPv4 or IPv6 as the system calls take it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  Endpoint to_endpoint() const;
};

/// The addresses of a host, at least one: numeric ones at once, names by getaddrinfo off the loop.
/// `passive`: to listen on.
Task<Result<std::vector<SocketAddress>>> resolve(Executor& executor, Endpoint endpoint,
                                                 bool passive, std::optional<TimePoint> deadline);

}  // namespace sluice::io
