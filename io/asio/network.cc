#include "io/asio/network.h"

#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <unistd.h>

#include "base/check.h"
#include "io/asio/address.h"
#include "io/asio/descriptor.h"
#include "io/asio/socket.h"
#include "io/sync.h"

namespace sluice::io {
namespace {

constexpr int kBacklog = 4096;
/// How long accepting rests when the process is out of descriptors or memory.
constexpr Duration kRest = 100ms;

AsioLoop& current_loop() {
  auto* const loop = dynamic_cast<AsioLoop*>(Loop::current());
  CHECK(loop != nullptr, "the network is used on a loop of its executor");
  return *loop;
}

void set_option(int descriptor, int level, int option, int value) {
  setsockopt(descriptor, level, option, &value, sizeof value);
}

class AsioListener final : public Listener {
 public:
  AsioListener(AsioLoop& loop, int descriptor, Endpoint local)
      : descriptor_(loop, descriptor), local_(std::move(local)) {}

  Task<Result<std::unique_ptr<Socket>>> accept() override;
  void close() override {
    descriptor_.close();
    closed_.notify_all();
  }
  const Endpoint& local() const override { return local_; }

 private:
  WaitingDescriptor descriptor_;
  Signal closed_;
  const Endpoint local_;
};

Task<Result<std::unique_ptr<Socket>>> AsioListener::accept() {
  while (true) {
    const uint64_t ticket = closed_.ticket();
    if (descriptor_.get() < 0) co_return fail(Errc::connection_closed);
    SocketAddress peer;
    const int accepted =
        accept4(descriptor_.get(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
      set_option(accepted, IPPROTO_TCP, TCP_NODELAY, 1);
      co_return std::make_unique<AsioSocket>(accepted, peer.to_endpoint());
    }
    switch (errno) {
      case EAGAIN:
        CO_RETURN_IF_ERROR(co_await descriptor_.wait(WaitingDescriptor::Event::readable));
        break;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM: {
        // The connection stays in the backlog and the descriptor readable: trying at once would
        // spin.
        auto why =
            error_from_errno(errno == ENOBUFS ? ENOMEM : errno, "accept on " + local_.to_string());
        co_await closed_.wait(ticket, descriptor_.loop().now() + kRest);
        if (descriptor_.get() >= 0) co_return fail(std::move(why));
        break;
      }
      case EBADF:
      case EINVAL:
      case ENOTSOCK:
      case EOPNOTSUPP:
        co_return fail(error_from_errno(errno, "accept on " + local_.to_string()));
      default:
        break;  // the error of a connection that went away before we took it (accept(2))
    }
  }
}

Result<std::unique_ptr<Listener>> listen_on(AsioLoop& loop, SocketAddress address,
                                            const Endpoint& at) {
  const auto failed = [&](int error) {
    return fail(error_from_errno(error, "listen on " + at.to_string()));
  };
  const int descriptor =
      socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) return failed(errno);
  set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.family() == AF_INET6) set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(descriptor, address.get(), address.size) != 0 || ::listen(descriptor, kBacklog) != 0) {
    const int error = errno;
    ::close(descriptor);
    return failed(error);
  }
  SocketAddress bound;
  getsockname(descriptor, bound.get(), &bound.size);
  return std::make_unique<AsioListener>(loop, descriptor, bound.to_endpoint());
}

Task<Result<std::unique_ptr<Socket>>> connect_to(AsioLoop& loop, SocketAddress address,
                                                 TimePoint deadline) {
  const auto peer = address.to_endpoint();
  const int descriptor =
      socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) co_return fail(error_from_errno(errno, "connect to " + peer.to_string()));
  auto connecting = std::make_unique<AsioSocket>(descriptor, peer);
  set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  if (::connect(descriptor, address.get(), address.size) != 0 && errno != EINPROGRESS) {
    co_return fail(error_from_errno(errno, "connect to " + peer.to_string()));
  }
  connecting->attach(loop);
  CO_RETURN_IF_ERROR(co_await connecting->connected(deadline));
  co_return connecting;
}

}  // namespace

Task<Result<std::unique_ptr<Listener>>> AsioNetwork::listen(Endpoint at) {
  auto& loop = current_loop();
  CO_ASSIGN_OR_RETURN(const auto addresses, co_await resolve(executor_, at, true, std::nullopt));
  co_return listen_on(loop, addresses.front(), at);
}

Task<Result<std::unique_ptr<Socket>>> AsioNetwork::connect(Endpoint to, TimePoint deadline) {
  auto& loop = current_loop();
  CO_ASSIGN_OR_RETURN(const auto addresses, co_await resolve(executor_, to, false, deadline));
  Result<std::unique_ptr<Socket>> result;
  for (const auto& address : addresses) {
    result = co_await connect_to(loop, address, deadline);
    if (result || result.error() == Errc::timed_out) break;
  }
  if (!result && to.host != addresses.back().to_endpoint().host) {
    co_return fail(std::move(result).error().with_context("connect to " + to.to_string()));
  }
  co_return result;
}

}  // namespace sluice::io
