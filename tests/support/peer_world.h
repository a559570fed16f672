#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "broker/metadata/peers.h"
#include "broker/native/front_end.h"
#include "broker/server/server.h"
#include "tests/sim/simulator.h"

namespace sluice::broker {

/// Remembers what it was told and answers what a test says.
class FakeConsensus final : public ConsensusPort {
 public:
  void receive(NodeId from, ByteView message) override {
    received.emplace_back(from, std::string(as_text(message)));
  }
  io::Task<Result<uint64_t>> propose_here(std::vector<std::byte> command) override {
    proposed.emplace_back(as_text(command));
    return io::Task<Result<uint64_t>>::ready(Result<uint64_t>(proposed.size()));
  }
  ConsensusState state() const override { return current; }

  std::vector<std::pair<NodeId, std::string>> received;
  std::vector<std::string> proposed;
  ConsensusState current;
};

class FakeController final : public ControllerPort {
 public:
  io::Task<Result<HeartbeatReply>> heartbeat(Heartbeat heartbeat) override {
    heartbeats.push_back(heartbeat);
    if (delay > Duration{0}) co_await io::sleep_for(delay);
    co_return HeartbeatReply{.fenced = fenced, .may_stop = heartbeat.wants_to_stop};
  }
  io::Task<std::vector<Result<uint32_t>>> alter_in_sync(
      NodeId, uint64_t, std::vector<InSyncChange> changes) override {
    std::vector<Result<uint32_t>> outcomes;
    for (const InSyncChange& change : changes) {
      if (change.in_sync.empty()) {
        outcomes.emplace_back(fail(Errc::invalid_request, "nobody would be left"));
      } else {
        outcomes.emplace_back(change.partition_epoch + 1);
      }
    }
    return io::Task<std::vector<Result<uint32_t>>>::ready(std::move(outcomes));
  }
  io::Task<Result<>> report_damage(NodeId, uint64_t, std::vector<DamageReport> reports) override {
    damage.insert(damage.end(), reports.begin(), reports.end());
    return outcome();
  }
  io::Task<Result<>> join(ClusterMember member, bool returning) override {
    joined.push_back(std::move(member));
    returned.push_back(returning);
    return outcome();
  }
  io::Task<Result<>> leave(NodeId node) override {
    left.push_back(node);
    return outcome();
  }
  io::Task<Result<>> move(MovePartition move) override {
    moves.push_back(std::move(move));
    return outcome();
  }
  io::Task<Result<>> drain(NodeId node, bool undo) override {
    drained.emplace_back(node, undo);
    return outcome();
  }

  Duration delay{0};
  bool fenced = false;
  std::optional<Error> refusal;
  std::vector<Heartbeat> heartbeats;
  std::vector<DamageReport> damage;
  std::vector<ClusterMember> joined;
  std::vector<bool> returned;
  std::vector<NodeId> left;
  std::vector<MovePartition> moves;
  std::vector<std::pair<NodeId, bool>> drained;

 private:
  io::Task<Result<>> outcome() {
    Result<> result;
    if (refusal) result = fail(*refusal);
    return io::Task<Result<>>::ready(std::move(result));
  }
};

inline Uuid directory_id_of(int number) {
  std::array<std::byte, Uuid::kSize> bytes{};
  bytes[0] = static_cast<std::byte>(number);
  bytes[15] = std::byte{1};
  return Uuid(bytes);
}

/// A simulated machine that answers cluster messages on port 9092, and no clients. "b1" is node 1.
class PeerMachine {
 public:
  static constexpr uint16_t kPort = 9092;

  PeerMachine(sim::Simulator& simulator, sim::SimNode& machine, ClusterMember self, LogSink& sink)
      : sim(simulator),
        node(machine),
        memory("broker", 64_MiB),
        membership(self),
        ports{.control = control(),
              .membership = membership,
              .corrupt_messages = metrics.counter("corrupt_messages_total", "")},
        front_end(memory.child("sessions", 1_MiB), NativeIdentity{"", self.node_id, "test"}, ports),
        server(ServerPorts{node.runtime(), memory, memory, metrics, Logger(sink),
                           [](const storage::FileSlice&, const Error&) {}},
               server_options(), std::vector<FrontEnd*>{&front_end}) {
    const auto started = sim.run_on(control(), server.start());
    EXPECT_TRUE(started) << started.error().message();
  }
  ~PeerMachine() {
    sim.run_on(control(), [](PeerMachine& m) -> io::Task<void> {
      co_await m.server.stop(io::Loop::current()->now() + 1s);
    }(*this));
  }

  io::Loop& control() { return node.executor().control(); }
  /// From here on it is in a cluster, and what is asked of it is remembered.
  void join(std::string cluster_id) {
    membership.belongs_to(std::move(cluster_id), {});
    ports.consensus = &consensus;
    ports.controller = &controller;
  }

  sim::Simulator& sim;
  sim::SimNode& node;
  MemoryBudget memory;
  MetricsRegistry metrics{3};
  Membership membership;
  FakeConsensus consensus;
  FakeController controller;
  ClusterPorts ports;
  NativeFrontEnd front_end;
  Server server;

 private:
  ServerOptions server_options() const {
    ServerOptions options;
    options.listen = {node.name(), kPort};
    return options;
  }
};

/// Machines b1, b2, ... of a simulation, and what their logs say.
class PeerWorld : public ::testing::Test {
 protected:
  class Lines final : public LogSink {
   public:
    void write(LogLevel, std::string_view event, std::initializer_list<LogField> fields) override {
      std::string line(event);
      for (const LogField& field : fields) line += " " + field.value;
      lines.push_back(std::move(line));
    }
    bool say(std::string_view what) const {
      return std::ranges::any_of(
          lines, [&](const std::string& line) { return line.find(what) != line.npos; });
    }
    std::vector<std::string> lines;
  };

  static std::string name_of(int number) { return "b" + std::to_string(number); }
  static ClusterMember member(int number) {
    return {.cluster_name = "test",
            .node_id = NodeId{number},
            .directory_id = directory_id_of(number),
            .address = {name_of(number), PeerMachine::kPort},
            .cluster_id = ""};
  }
  std::unique_ptr<PeerMachine> machine(int number) {
    return std::make_unique<PeerMachine>(sim, sim.add_node(name_of(number)), member(number), log);
  }

  sim::Simulator sim{7};
  Lines log;
};

}  // namespace sluice::broker
