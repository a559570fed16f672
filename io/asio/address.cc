#include "io/asio/address.h"

#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <netdb.h>

namespace sluice::io {
namespace {

struct Resolution {
  Signal done;
  int error = 0;
  std::vector<SocketAddress> addresses;
};

int look_up(const Endpoint& endpoint, int flags, std::vector<SocketAddress>& out) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error =
      getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list);
  if (error != 0) return error;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, &freeaddrinfo);
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    SocketAddress address;
    address.size = info->ai_addrlen;
    std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    out.push_back(address);
  }
  return out.empty() ? EAI_NONAME : 0;
}

}  // namespace

Endpoint SocketAddress::to_endpoint() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    const uint16_t port = ntohs(v6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {  // a client over IPv4 of a socket for both
      inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text.data(), text.size());
    } else {
      inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
    }
    return {text.data(), port};
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
  inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
  return {text.data(), ntohs(v4->sin_port)};
}

Task<Result<std::vector<SocketAddress>>> resolve(Executor& executor, Endpoint endpoint,
                                                 bool passive, std::optional<TimePoint> deadline) {
  const int flags = passive ? AI_PASSIVE : 0;
  std::vector<SocketAddress> numeric;
  if (look_up(endpoint, flags | AI_NUMERICHOST, numeric) == 0) co_return numeric;

  // A look-up cannot be cancelled and may take many seconds: it owns what it writes to.
  auto resolution = std::make_shared<Resolution>();
  const uint64_t ticket = resolution->done.ticket();
  start_detached([](Executor& pool, auto state, Endpoint name, int hints) -> Task<void> {
    co_await pool.offload([&] { state->error = look_up(name, hints, state->addresses); });
    state->done.notify_all();
  }(executor, resolution, endpoint, flags));
  if (!co_await resolution->done.wait(ticket, deadline)) {
    co_return fail(Errc::timed_out, "look up of host '" + endpoint.host + "' timed out");
  }
  if (resolution->error != 0) {
    co_return fail(Errc::unresolved_host, "host '" + endpoint.host + "' does not resolve: " +
                                              gai_strerror(resolution->error));
  }
  co_return std::move(resolution->addresses);
}

}  // namespace sluice::io
