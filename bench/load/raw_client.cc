#include "bench/load/raw_client.h"

#include <array>
#include <utility>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <unistd.h>

#include "base/check.h"

namespace sluice::bench {

using Clock = std::chrono::steady_clock;

RawConnection::RawConnection(const std::string& host, uint16_t port)
    : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  CHECK(::inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1, "the peer has an IPv4 address");
  CHECK(::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
        "the peer takes connections");
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

RawConnection::RawConnection(RawConnection&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

RawConnection::~RawConnection() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void RawConnection::send(ByteView bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    CHECK(n > 0, "the peer takes requests");
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

size_t RawConnection::receive(const std::function<size_t(ByteView)>& whole,
                              MutableBytes into) const {
  size_t have = 0;
  size_t size = 0;
  while (size == 0 || have < size) {
    const ssize_t n = ::recv(descriptor_, into.data() + have, into.size() - have, 0);
    CHECK(n > 0, "the peer answers");
    have += static_cast<size_t>(n);
    if (size == 0) size = whole(into.first(have));
  }
  CHECK(have == size, "a peer that is asked once answers once");
  return size;
}

namespace {

Latencies ask_one(const RawConnection& connection, const Question& question, size_t count) {
  std::array<std::byte, 4096> answer;
  Latencies latencies;
  while (latencies.count() < count) {
    const auto start = Clock::now();
    connection.send(question.request);
    connection.receive(question.whole, answer);
    latencies.add(Clock::now() - start);
  }
  return latencies;
}

}  // namespace

Latencies ask(const std::vector<RawConnection>& connections, const Question& question,
              size_t count) {
  if (connections.size() == 1) return ask_one(connections.front(), question, count);
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<Clock::time_point> sent(connections.size());
  for (size_t i = 0; i < connections.size(); ++i) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].descriptor(), &event);
    sent[i] = Clock::now();
    connections[i].send(question.request);
  }
  std::array<std::byte, 4096> answer;
  std::array<epoll_event, 128> ready;
  Latencies latencies;
  while (latencies.count() < count) {
    const int n = ::epoll_wait(poll, ready.data(), static_cast<int>(ready.size()), -1);
    for (int k = 0; k < n; ++k) {
      const size_t i = ready[static_cast<size_t>(k)].data.u64;
      connections[i].receive(question.whole, answer);
      latencies.add(Clock::now() - sent[i]);
      sent[i] = Clock::now();
      connections[i].send(question.request);
    }
  }
  // What is still under way is answered before the connections close.
  for (const auto& connection : connections) connection.receive(question.whole, answer);
  ::close(poll);
  return latencies;
}

}  // namespace sluice::bench
