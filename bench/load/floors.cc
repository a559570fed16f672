#include "bench/load/floors.h"

#include <algorithm>
#include <ctime>
#include <thread>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "bench/load/raw_client.h"

namespace sluice::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double thread_cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// A file without a name in a directory: gone when the descriptor is.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& directory)
      : descriptor_(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) {
    CHECK(descriptor_ >= 0, "the bench directory takes files");
  }
  ~ScratchFile() { ::close(descriptor_); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  int descriptor() const { return descriptor_; }

  /// In writes as a log's: how a file was written decides in which pieces it is cached.
  void fill(uint64_t bytes) const {
    const std::vector<std::byte> block(16'300, std::byte{42});
    for (uint64_t at = 0; at < bytes; at += block.size()) {
      CHECK(::pwrite(descriptor_, block.data(), block.size(), static_cast<off_t>(at)) ==
                static_cast<ssize_t>(block.size()),
            "the bench directory has space");
    }
  }

 private:
  int descriptor_;
};

/// Both ends of a loopback TCP connection with TCP_NODELAY.
struct LoopbackListener {
  LoopbackListener() : descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0,
          "loopback can be bound");
    CHECK(::listen(descriptor, 1024) == 0, "loopback can be listened on");
    socklen_t length = sizeof(address);
    ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length);
  }
  ~LoopbackListener() { ::close(descriptor); }
  LoopbackListener(const LoopbackListener&) = delete;
  LoopbackListener& operator=(const LoopbackListener&) = delete;

  RawConnection connect() const { return {"127.0.0.1", ntohs(address.sin_port)}; }
  int accept() const {
    const int server = ::accept4(descriptor, nullptr, nullptr, SOCK_CLOEXEC);
    CHECK(server >= 0, "loopback accepts");
    no_delay(server);
    return server;
  }
  static void no_delay(int socket) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }

  int descriptor;
  sockaddr_in address{};
};

bool read_fully(int descriptor, void* out, size_t size) {
  auto* at = static_cast<char*>(out);
  while (size > 0) {
    const ssize_t n = ::recv(descriptor, at, size, 0);
    if (n <= 0) return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

void send_fully(int descriptor, const void* data, size_t size) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::send(descriptor, at, size, MSG_NOSIGNAL);
    if (n <= 0) return;
    at += n;
    size -= static_cast<size_t>(n);
  }
}

constexpr size_t kRequest = 64;
constexpr size_t kAnswer = 16;

double serve_sendfile(const LoopbackListener& listener, int file, size_t piece,
                      uint64_t file_size) {
  const int server = listener.accept();
  char request[kRequest];
  off_t at = 0;
  const double before = thread_cpu_seconds();
  while (read_fully(server, request, kRequest)) {
    off_t position = at;
    size_t left = piece;
    while (left > 0) {
      const ssize_t n = ::sendfile(server, file, &position, left);
      if (n <= 0) break;
      left -= static_cast<size_t>(n);
    }
    at = (at + static_cast<off_t>(piece)) % static_cast<off_t>(file_size);
  }
  const double cpu = thread_cpu_seconds() - before;
  ::close(server);
  return cpu;
}

double serve_ingest(const LoopbackListener& listener, int file, size_t piece) {
  constexpr off_t kStep = 64 << 20;
  const int server = listener.accept();
  std::vector<std::byte> request(piece);
  const char answer[kAnswer] = {};
  off_t at = 0;
  off_t reserved = 0;
  uint32_t crc = 0;
  const double before = thread_cpu_seconds();
  while (read_fully(server, request.data(), piece)) {
    crc ^= crc32c(request);
    if (at + static_cast<off_t>(piece) > reserved) {
      ::fallocate(file, FALLOC_FL_KEEP_SIZE, reserved, kStep);
      reserved += kStep;
    }
    at += ::pwrite(file, request.data(), piece, at);
    send_fully(server, answer, kAnswer);
  }
  const double cpu = thread_cpu_seconds() - before;
  // As in read_crc_floor.
  asm volatile("" : : "r"(crc));
  ::close(server);
  return cpu;
}

void serve_echo(const LoopbackListener& listener, int file, size_t piece, size_t connections) {
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<char> request(piece);
  const char answer[kAnswer] = {};
  size_t open = 0;
  for (size_t i = 0; i < connections; ++i) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = listener.accept()}};
    ::epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event);
    ++open;
  }
  off_t at = 0;
  epoll_event ready[128];
  while (open > 0) {
    const int n = ::epoll_wait(poll, ready, 128, -1);
    for (int i = 0; i < n; ++i) {
      const int socket = ready[i].data.fd;
      if (!read_fully(socket, request.data(), piece)) {
        ::close(socket);
        --open;
        continue;
      }
      at += ::pwrite(file, request.data(), piece, at);
      send_fully(socket, answer, kAnswer);
    }
  }
  ::close(poll);
}

}  // namespace

double Latencies::quantile(double q) {
  if (values_.empty()) return 0;
  if (!sorted_) {
    std::sort(values_.begin(), values_.end());
    sorted_ = true;
  }
  const auto last = static_cast<double>(values_.size() - 1);
  return static_cast<double>(values_[static_cast<size_t>(q * last)]) / 1000.0;
}

Rate pwritev_floor(const std::string& directory, size_t piece, uint64_t total) {
  const ScratchFile file(directory);
  std::vector<std::byte> data(piece, std::byte{7});
  constexpr uint64_t kStep = 64 << 20;
  Rate rate;
  const auto start = Clock::now();
  const double cpu = thread_cpu_seconds();
  uint64_t reserved = 0;
  while (rate.bytes < total) {
    if (rate.bytes + piece > reserved) {
      ::fallocate(file.descriptor(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(reserved), kStep);
      reserved += kStep;
    }
    iovec part{data.data(), piece};
    CHECK(::pwritev(file.descriptor(), &part, 1, static_cast<off_t>(rate.bytes)) ==
              static_cast<ssize_t>(piece),
          "the bench directory has space");
    rate.bytes += piece;
    ++rate.operations;
  }
  rate.seconds = seconds_since(start);
  rate.cpu_seconds = thread_cpu_seconds() - cpu;
  return rate;
}

Rate read_crc_floor(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  CHECK(file >= 0, "the file to read exists");
  ::fdatasync(file);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  std::vector<std::byte> block(1 << 20);
  Rate rate;
  const auto start = Clock::now();
  const double cpu = thread_cpu_seconds();
  uint32_t crc = 0;
  for (ssize_t n;
       (n = ::pread(file, block.data(), block.size(), static_cast<off_t>(rate.bytes))) > 0;) {
    crc ^= crc32c({block.data(), static_cast<size_t>(n)});
    rate.bytes += static_cast<uint64_t>(n);
    ++rate.operations;
  }
  ::close(file);
  rate.seconds = seconds_since(start);
  rate.cpu_seconds = thread_cpu_seconds() - cpu;
  // Keeps the CRC alive: an optimiser that drops it would make the floor too fast.
  asm volatile("" : : "r"(crc));
  return rate;
}

Latencies fdatasync_floor(const std::string& directory, size_t piece, double rate, size_t count) {
  const ScratchFile file(directory);
  const std::vector<std::byte> data(piece, std::byte{7});
  off_t at = 0;
  return at_rate(rate, count, [&] {
    CHECK(::pwrite(file.descriptor(), data.data(), piece, at) == static_cast<ssize_t>(piece),
          "the bench directory has space");
    at += static_cast<off_t>(piece);
    ::fdatasync(file.descriptor());
  });
}

Rate sendfile_floor(const std::string& directory, size_t piece, uint64_t total) {
  const ScratchFile file(directory);
  const uint64_t file_size = std::max<uint64_t>(256 << 20, piece);
  file.fill(file_size);
  const LoopbackListener listener;
  double server_cpu = 0;
  std::thread server(
      [&] { server_cpu = serve_sendfile(listener, file.descriptor(), piece, file_size); });
  Rate rate;
  {
    const RawConnection client = listener.connect();
    const std::vector<std::byte> request(kRequest);
    std::vector<std::byte> answer(piece);
    const auto whole = [piece](ByteView) { return piece; };
    const auto start = Clock::now();
    while (rate.bytes < total) {
      client.send(request);
      rate.bytes += client.receive(whole, answer);
      ++rate.operations;
    }
    rate.seconds = seconds_since(start);
  }
  server.join();
  rate.cpu_seconds = server_cpu;
  return rate;
}

Rate ingest_floor(const std::string& directory, size_t piece, size_t window, uint64_t total) {
  const ScratchFile file(directory);
  const LoopbackListener listener;
  double server_cpu = 0;
  std::thread server([&] { server_cpu = serve_ingest(listener, file.descriptor(), piece); });
  Rate rate;
  {
    const RawConnection client = listener.connect();
    const std::vector<std::byte> request(piece);
    const auto whole = [](ByteView begin) { return begin.size() < kAnswer ? 0 : kAnswer; };
    rate = stream(client, {.request = request, .whole = whole}, window, total / piece);
  }
  server.join();
  rate.cpu_seconds = server_cpu;
  return rate;
}

Latencies echo_floor(const std::string& directory, size_t piece, size_t connections, size_t count) {
  const ScratchFile file(directory);
  const LoopbackListener listener;
  std::thread server([&] { serve_echo(listener, file.descriptor(), piece, connections); });
  Latencies latencies;
  {
    std::vector<RawConnection> clients;
    for (size_t i = 0; i < connections; ++i) clients.push_back(listener.connect());
    const std::vector<std::byte> request(piece);
    latencies =
        ask(clients, {.request = request, .whole = [](ByteView) { return kAnswer; }}, count);
  }
  server.join();
  return latencies;
}

}  // namespace sluice::bench
