#include "bench/load/raw_client.h"

#include <algorithm>
#include <array>
#include <thread>
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

size_t RawConnection::receive_some(MutableBytes into) const {
  const ssize_t n = ::recv(descriptor_, into.data(), into.size(), 0);
  CHECK(n > 0, "the peer answers");
  return static_cast<size_t>(n);
}

size_t RawConnection::receive(const std::function<size_t(ByteView)>& whole,
                              MutableBytes into) const {
  size_t have = 0;
  size_t size = 0;
  while (size == 0 || have < size) {
    have += receive_some(into.subspan(have));
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

Latencies at_rate(double rate, size_t count, const std::function<void()>& work) {
  const auto step =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate));
  Latencies latencies;
  for (auto due = Clock::now(); latencies.count() < count; due += step) {
    std::this_thread::sleep_until(due);
    work();
    latencies.add(Clock::now() - due);
  }
  return latencies;
}

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

Rate stream(const RawConnection& connection, const Question& question, size_t window,
            size_t count) {
  std::vector<std::byte> answers(64 << 10);
  Rate rate;
  size_t sent = 0;
  size_t have = 0;
  const auto start = Clock::now();
  while (rate.operations < count) {
    for (; sent < count && sent < rate.operations + window; ++sent) {
      connection.send(question.request);
    }
    have += connection.receive_some(MutableBytes(answers).subspan(have));
    ByteView rest = ByteView(answers).first(have);
    for (;;) {
      const size_t size = question.whole(rest);
      if (size == 0 || size > rest.size()) break;
      rest = rest.subspan(size);
      ++rate.operations;
    }
    have = rest.size();
    std::copy(rest.begin(), rest.end(), answers.begin());
  }
  rate.bytes = rate.operations * question.request.size();
  rate.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return rate;
}

}  // namespace sluice::bench
