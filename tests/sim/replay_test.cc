// The same seed replays the same run, byte for byte.

#include <array>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "io/sync.h"
#include "tests/sim/simulator.h"

namespace sluice::sim {
namespace {

constexpr int kClients = 3;
constexpr int kRequests = 10;

/// Writes what it reads from the socket to a file, syncs it, and answers with the length.
io::Task<void> serve(SimNode& node, std::unique_ptr<io::Socket> socket, int number) {
  co_await node.executor().worker(static_cast<size_t>(number) % 2).enter();
  socket->attach(*io::Loop::current());
  auto file = co_await node.disk().open("log" + std::to_string(number), io::OpenMode::create);
  CHECK(file.has_value(), "the simulated disk is healthy");
  std::array<std::byte, 8> request;
  for (uint64_t at = 0; co_await io::read_exactly(*socket, request); at += request.size()) {
    const std::array<ByteView, 1> parts = {request};
    CHECK(co_await (*file)->write_at(at, parts, io::Lane::hot), "the simulated disk is healthy");
    CHECK(co_await (*file)->sync(io::Lane::commit), "the simulated disk is healthy");
    if (!co_await io::write_all(*socket, parts)) break;
  }
}

io::Task<void> serve_all(SimNode& node, io::Listener& listener) {
  io::Scope sessions;
  for (int i = 0; i < kClients; ++i) {
    auto socket = co_await listener.accept();
    sessions.start(serve(node, std::move(*socket), i));
  }
  co_await sessions.join();
}

io::Task<void> request(SimNode& node) {
  auto socket = co_await node.runtime().network.connect({"broker", 9092}, TimePoint::max());
  std::array<std::byte, 8> bytes{};
  for (int i = 0; i < kRequests; ++i) {
    store_be(bytes.data(), node.runtime().random.next());
    const std::array<ByteView, 1> parts = {bytes};
    CHECK(co_await io::write_all(**socket, parts), "the simulated network is healthy");
    CHECK(co_await io::read_exactly(**socket, bytes), "the simulated network is healthy");
    co_await io::sleep_for(Duration(node.runtime().random.below(1'000'000)));
  }
}

io::Task<void> request_from(SimNode& node) {
  co_await node.executor().worker(0).enter();
  co_await request(node);
}

struct Run {
  uint64_t trace;
  uint64_t disk;
  TrueTime end;
  auto operator<=>(const Run&) const = default;
};

io::Task<void> cluster(SimNode& broker, std::array<SimNode*, kClients> clients) {
  auto& control = broker.executor().control();
  co_await control.enter();
  auto listener = co_await broker.runtime().network.listen({"broker", 9092});
  io::Scope scope;
  scope.start(serve_all(broker, **listener));
  for (SimNode* client : clients) scope.start(request_from(*client));
  co_await scope.join();
  co_await control.enter();
}

Run run(uint64_t seed) {
  Simulator simulator(seed);
  SimNode& broker = simulator.add_node("broker");
  broker.disk().set_latency(0ns, 2ms);
  std::array<SimNode*, kClients> clients;
  for (int i = 0; i < kClients; ++i) {
    clients[static_cast<size_t>(i)] = &simulator.add_node("client" + std::to_string(i));
  }
  simulator.run(cluster(broker, clients));
  return {simulator.trace_hash(), broker.disk().image().hash(), simulator.now()};
}

TEST(ReplayTest, TheSameSeedGivesTheSameRun) {
  for (uint64_t seed = 1; seed <= 10; ++seed) EXPECT_EQ(run(seed), run(seed)) << seed;
}

TEST(ReplayTest, AnotherSeedGivesAnotherRun) {
  std::set<uint64_t> traces;
  for (uint64_t seed = 1; seed <= 20; ++seed) traces.insert(run(seed).trace);
  EXPECT_EQ(traces.size(), 20u);
}

}  // namespace
}  // namespace sluice::sim
