#include "io/asio/network.h"

#include <string>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "io/asio/socket.h"
#include "io/clock.h"
#include "io/sync.h"
#include "io/system.h"

namespace sluice::io {
namespace {

using testing::HasSubstr;

class AsioNetworkTest : public testing::Test {
 protected:
  void check(Task<void> (*body)(Runtime& runtime)) { system_.run(body(system_.runtime())); }
  System system_{{.workers = 1, .pool_threads = 1}};
};

Task<void> expect_connection(Runtime& runtime, std::string listen_on, std::string connect_to) {
  auto listener = co_await runtime.network.listen({listen_on, 0});
  EXPECT_TRUE(listener.has_value()) << listen_on;
  if (!listener) co_return;
  const Endpoint to{connect_to, (*listener)->local().port};
  auto socket = co_await runtime.network.connect(to, runtime.clock.now() + 20s);
  EXPECT_TRUE(socket.has_value()) << connect_to << ": " << socket.error().message();
  auto accepted = co_await (*listener)->accept();
  EXPECT_TRUE(accepted.has_value());
}

TEST_F(AsioNetworkTest, ConnectsByNameAndOverBothProtocols) {
  check([](Runtime& runtime) -> Task<void> {
    co_await expect_connection(runtime, "127.0.0.1", "127.0.0.1");
    co_await expect_connection(runtime, "127.0.0.1", "localhost");
    co_await expect_connection(runtime, "0.0.0.0", "127.0.0.1");
    if (access("/proc/net/if_inet6", F_OK) != 0) co_return;  // a machine without IPv6
    co_await expect_connection(runtime, "::1", "::1");
    co_await expect_connection(runtime, "::", "127.0.0.1");
  });
}

TEST_F(AsioNetworkTest, NamesAHostThatDoesNotResolve) {
  check([](Runtime& runtime) -> Task<void> {
    const std::string host(70, 'x');  // no label may be so long: nobody needs to be asked
    const auto socket = co_await runtime.network.connect({host, 1}, runtime.clock.now() + 20s);
    EXPECT_EQ(socket.error().code(), Errc::unresolved_host);
    EXPECT_THAT(std::string(socket.error().message()), HasSubstr(host));
    const auto listener = co_await runtime.network.listen({host, 1});
    EXPECT_EQ(listener.error().code(), Errc::unresolved_host);
  });
}

/// A listening port whose queue is full when one connection waits in it.
class DeafPort {
 public:
  DeafPort() {
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(descriptor_, 0), 0);
    EXPECT_EQ(getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    endpoint_ = {"127.0.0.1", ntohs(address.sin_port)};
  }
  ~DeafPort() { ::close(descriptor_); }
  const Endpoint& endpoint() const { return endpoint_; }

 private:
  const int descriptor_ = socket(AF_INET, SOCK_STREAM, 0);
  Endpoint endpoint_;
};

TEST_F(AsioNetworkTest, GivesUpConnectingAtTheDeadline) {
  check([](Runtime& runtime) -> Task<void> {
    const DeafPort port;
    std::vector<std::unique_ptr<Socket>> queued;
    Result<std::unique_ptr<Socket>> socket;
    for (int i = 0; i < 8 && socket; ++i) {
      socket = co_await runtime.network.connect(port.endpoint(), runtime.clock.now() + 20ms);
      if (socket) queued.push_back(std::move(*socket));
    }
    EXPECT_FALSE(socket.has_value());
    EXPECT_EQ(socket.error().code(), Errc::timed_out);
    EXPECT_THAT(std::string(socket.error().message()), HasSubstr(port.endpoint().to_string()));
  });
}

/// No descriptor can be opened while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int next = dup(0);
    ::close(next);
    const rlimit none{static_cast<rlim_t>(next), before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(AsioNetworkTest, AcceptingTellsOfALackOfDescriptorsAndOutlastsIt) {
  check([](Runtime& runtime) -> Task<void> {
    auto listener = co_await runtime.network.listen({"127.0.0.1", 0});
    const Endpoint at = (*listener)->local();
    auto socket = co_await runtime.network.connect(at, runtime.clock.now() + 20s);
    EXPECT_TRUE(socket.has_value());
    {
      const NoDescriptors none;
      EXPECT_EQ((co_await (*listener)->accept()).error().code(), Errc::too_many);
    }
    EXPECT_TRUE((co_await (*listener)->accept()).has_value());
  });
}

TEST_F(AsioNetworkTest, ClosingEndsTheRestOfALackOfDescriptors) {
  check([](Runtime& runtime) -> Task<void> {
    auto listener = co_await runtime.network.listen({"127.0.0.1", 0});
    const Endpoint at = (*listener)->local();
    auto socket = co_await runtime.network.connect(at, runtime.clock.now() + 20s);
    EXPECT_TRUE(socket.has_value());
    Scope scope;
    const NoDescriptors none;
    scope.start([](Listener& from) -> Task<void> {
      EXPECT_EQ((co_await from.accept()).error().code(), Errc::connection_closed);
    }(**listener));
    (*listener)->close();
    co_await scope.join();
  });
}

TEST(AsioSocket, IsSmallAndHoldsNoBuffer) { EXPECT_LE(sizeof(AsioSocket), 640u); }

}  // namespace
}  // namespace sluice::io
