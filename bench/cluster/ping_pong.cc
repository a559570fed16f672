#include "bench/cluster/ping_pong.h"

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <unistd.h>

namespace sluice::bench {
namespace {

class Socket {
 public:
  explicit Socket(int handle) : handle_(handle) {
    if (handle < 0) throw std::runtime_error("no socket");
    const int on = 1;
    ::setsockopt(handle_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Socket() { ::close(handle_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int handle() const { return handle_; }
  void send(const std::vector<char>& bytes) const {
    if (::send(handle_, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
      throw std::runtime_error("send failed");
    }
  }
  void receive(std::vector<char>& bytes) const {
    if (::recv(handle_, bytes.data(), bytes.size(), MSG_WAITALL) <= 0) {
      throw std::runtime_error("receive failed");
    }
  }

 private:
  const int handle_;
};

constexpr size_t kAnswer = 64;

}  // namespace

std::chrono::nanoseconds ping_pong(size_t bytes, int rounds) {
  const Socket listener(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* const address = reinterpret_cast<sockaddr*>(&at);
  if (::bind(listener.handle(), address, size) != 0 || ::listen(listener.handle(), 1) != 0 ||
      ::getsockname(listener.handle(), address, &size) != 0) {
    throw std::runtime_error("cannot listen");
  }
  const Socket here(::socket(AF_INET, SOCK_STREAM, 0));
  if (::connect(here.handle(), address, size) != 0) throw std::runtime_error("cannot connect");
  const Socket there(::accept(listener.handle(), nullptr, nullptr));
  std::jthread answering([&] {
    std::vector<char> ping(bytes);
    const std::vector<char> pong(kAnswer);
    for (int i = 0; i < rounds; ++i) {
      there.receive(ping);
      there.send(pong);
    }
  });
  const std::vector<char> ping(bytes);
  std::vector<char> pong(kAnswer);
  std::vector<std::chrono::nanoseconds> took;
  for (int i = 0; i < rounds; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    here.send(ping);
    here.receive(pong);
    took.push_back(std::chrono::steady_clock::now() - begun);
  }
  std::ranges::nth_element(took, took.begin() + static_cast<ptrdiff_t>(took.size() / 2));
  return took[took.size() / 2];
}

}  // namespace sluice::bench
