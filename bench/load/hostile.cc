#include "bench/load/hostile.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <unistd.h>

namespace sluice::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// What goes out of an announced frame each second: enough not to be taken for stuck.
constexpr size_t kPart = 20'000;
constexpr int kFetchesAtOnce = 8;

/// Connects, says its piece without waiting for an answer, and takes whatever happens to it.
class Nuisance {
 public:
  Nuisance(const Peer& peer, std::vector<std::byte> opening, size_t more_each_second)
      : peer_(peer), opening_(std::move(opening)), more_(more_each_second) {}
  ~Nuisance() { close(); }
  Nuisance(Nuisance&&) = delete;

  /// Once a second. True when the broker had closed it.
  bool act() {
    if (descriptor_ < 0) {
      connect();
      return false;
    }
    std::byte byte;
    const ssize_t there = ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    const bool ended = there == 0 || (there < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
    if (ended) {
      close();
      return true;
    }
    if (more_.empty()) return false;
    // What does not fit into the kernel's buffer waits for the next second.
    (void)::send(descriptor_, more_.data(), more_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return false;
  }
  bool connected() const { return descriptor_ >= 0; }

 private:
  void connect() {
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(peer_.port());
    ::inet_pton(AF_INET, peer_.host().c_str(), &address.sin_addr);
    const bool ok =
        ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
        ::send(descriptor_, opening_.data(), opening_.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(opening_.size());
    if (!ok) close();
  }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

  const Peer& peer_;
  const std::vector<std::byte> opening_;
  const std::vector<std::byte> more_;
  int descriptor_ = -1;
};

}  // namespace

uint64_t anonymous_bytes(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8)) * 1024;
  }
  return 0;
}

HostileOutcome press(const Peer& peer, int pid, const HostileOptions& options) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  std::vector<std::byte> announcement = peer.opening();
  const auto head = peer.announce(options.announced_bytes);
  announcement.insert(announcement.end(), head.begin(), head.end());
  std::vector<std::byte> requests = peer.opening();
  for (int i = 0; i < kFetchesAtOnce; ++i) {
    const auto fetch = peer.fetch_frame(options.announced_bytes);
    requests.insert(requests.end(), fetch.begin(), fetch.end());
  }
  std::vector<std::unique_ptr<Nuisance>> all;
  for (size_t i = 0; i < options.announcers; ++i) {
    all.push_back(std::make_unique<Nuisance>(peer, announcement, kPart));
  }
  for (size_t i = 0; i < options.silent_fetchers; ++i) {
    all.push_back(std::make_unique<Nuisance>(peer, requests, 0));
  }
  HostileOutcome outcome;
  const auto end = Clock::now() + std::chrono::duration<double>(options.seconds);
  while (Clock::now() < end) {
    const auto next = Clock::now() + std::chrono::seconds(1);
    size_t connected = 0;
    for (const auto& nuisance : all) {
      outcome.closed += nuisance->act() ? 1 : 0;
      connected += nuisance->connected() ? 1 : 0;
      if (&nuisance - all.data() > 0 && (&nuisance - all.data()) % 200 == 0) {
        outcome.anonymous_bytes = std::max(outcome.anonymous_bytes, anonymous_bytes(pid));
      }
    }
    outcome.connected = std::max(outcome.connected, connected);
    while (Clock::now() < next) {
      const uint64_t bytes = anonymous_bytes(pid);
      if (bytes == 0) return outcome;
      outcome.anonymous_bytes = std::max(outcome.anonymous_bytes, bytes);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  return outcome;
}

}  // namespace sluice::bench
