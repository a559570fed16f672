#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "broker/server/server.h"
#include "tests/sim/simulator.h"
#include "tests/support/echo_front_end.h"

namespace sluice::broker {

/// A simulated server of the echo protocol, and a peer to talk to it from. The server is started on
/// first use, so that a test may change its options before.
class EchoWorld : public testing::Test {
 protected:
  static constexpr uint16_t kPort = 9;

  EchoWorld() { options.listen = {"server", kPort}; }
  void TearDown() override { stop(1s); }

  Server& server() {
    if (!server_) {
      server_ = std::make_unique<Server>(
          ServerPorts{node.runtime(), memory(), clients(), metrics, Logger(sink),
                      [this](const storage::FileSlice&, const Error&) { ++broken_slices; }},
          options, std::vector<FrontEnd*>{&echo});
      const auto started = sim.run_on(control(), server_->start());
      EXPECT_TRUE(started) << started.error().message();
    }
    return *server_;
  }
  MemoryBudget& memory() {
    if (!memory_) memory_ = std::make_unique<MemoryBudget>("root", cap);
    return *memory_;
  }
  /// What clients may take of it.
  MemoryBudget& clients() {
    if (clients_ == nullptr) clients_ = &memory().child("clients", cap - cap / 8);
    return *clients_;
  }
  void stop(Duration grace) {
    if (!server_) return;
    sim.run_on(control(), stop_server(grace));
    sim.settle();
    server_.reset();
  }

  io::Loop& control() { return node.runtime().executor.control(); }
  io::Loop& peer_loop() { return peer.runtime().executor.worker(0); }

  /// Connected; "ECHO" is not sent yet.
  std::unique_ptr<io::Socket> connect() {
    server();
    auto socket = sim.run_on(peer_loop(), dial());
    EXPECT_TRUE(socket) << socket.error().message();
    return std::move(*socket);
  }
  std::unique_ptr<io::Socket> open() {
    auto socket = connect();
    EXPECT_TRUE(send(*socket, "ECHO"));
    return socket;
  }
  Result<> send(io::Socket& socket, std::string bytes) {
    return sim.run_on(peer_loop(), write(socket, std::move(bytes)));
  }
  /// Goes on by itself while the simulation runs.
  void start_sending(io::Socket& socket, std::string bytes) {
    sim.start_on(peer_loop(), [](io::Socket& to, std::string all) -> io::Task<void> {
      (void)co_await write(to, std::move(all));  // the test looks at what comes of it
    }(socket, std::move(bytes)));
  }
  void close(io::Socket& socket) {
    sim.run_on(peer_loop(), [](io::Socket& it) -> io::Task<void> {
      it.close();
      co_return;
    }(socket));
  }
  /// The next `size` bytes; fewer when the connection ends before.
  std::string receive(io::Socket& socket, size_t size) {
    return sim.run_on(peer_loop(), read(socket, size));
  }
  /// All until the connection ends.
  std::string receive_all(io::Socket& socket) { return receive(socket, SIZE_MAX); }

  sim::Simulator sim{7};
  sim::SimNode& node = sim.add_node("server");
  sim::SimNode& peer = sim.add_node("peer");
  size_t cap = 64_MiB;
  ServerOptions options;
  MetricsRegistry metrics{node.runtime().executor.loops()};
  NullSink sink;
  EchoFrontEnd echo;
  int broken_slices = 0;

 private:
  io::Task<void> stop_server(Duration grace) {
    co_await server_->stop(io::Loop::current()->now() + grace);
  }
  io::Task<Result<std::unique_ptr<io::Socket>>> dial() {
    co_return co_await peer.runtime().network.connect({"server", kPort},
                                                      io::Loop::current()->now() + 10s);
  }
  static io::Task<Result<>> write(io::Socket& socket, std::string bytes) {
    const std::array parts = {as_bytes(bytes)};
    co_return co_await io::write_all(socket, parts);
  }
  static io::Task<std::string> read(io::Socket& socket, size_t size) {
    std::string got;
    std::array<std::byte, 4096> part;
    while (got.size() < size) {
      const auto want = MutableBytes(part).first(std::min(part.size(), size - got.size()));
      const auto count = socket.try_read(want);
      if (count && *count == 0) break;
      if (count) {
        got += as_text(ByteView(part).first(*count));
      } else if (!(count.error() == Errc::would_block) || !co_await socket.readable()) {
        break;
      }
    }
    co_return got;
  }

  std::unique_ptr<MemoryBudget> memory_;
  MemoryBudget* clients_ = nullptr;
  std::unique_ptr<Server> server_;
};

}  // namespace sluice::broker
