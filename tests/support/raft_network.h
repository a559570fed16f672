#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "base/random.h"
#include "broker/metadata/raft_core.h"

namespace sluice::broker {

/// Several cores, what is durable of each, and the messages on their way. What a correct group can
/// never show fails the test at once: two leaders of a term, two entries of an index.
class RaftNetwork {
 public:
  struct Machine {
    std::optional<RaftCore> core;
    RaftState durable;
    std::vector<std::byte> durable_snapshot;
    std::deque<RaftReady> unwritten;
    /// Fold of everything applied.
    uint32_t state = 0;
    uint64_t applied = 0;
    std::vector<std::string> commands;
    /// Messages that it took for impossible.
    uint64_t nonsense = 0;
    bool broken = false;
  };
  struct Packet {
    NodeId from;
    RaftMessage message;
  };

  RaftNetwork(uint64_t seed, std::vector<NodeId> voters) : random_(seed) {
    for (const NodeId id : voters) {
      machines_[id].durable.hard_state = {1, 0, 1};
      machines_[id].durable.start = {1, 1, {voters, {}}};
    }
    for (const NodeId id : voters) start(id);
  }

  Machine& at(NodeId id) { return machines_.at(id); }
  RaftCore& core(NodeId id) { return *at(id).core; }
  RaftCore::Status status(NodeId id) { return *core(id).status(); }
  Random& random() { return random_; }
  std::vector<Packet>& packets() { return packets_; }
  uint64_t trace() const { return trace_; }
  RaftSettings settings;
  KeptEntries kept;

  void start(NodeId id) {
    Machine& machine = machines_[id];
    settings.self = id;
    settings.seed = random_.next();
    auto made = RaftCore::make(settings, machine.durable);
    ASSERT_TRUE(made) << made.error().message();
    machine.core = std::move(*made);
    machine.unwritten.clear();
    machine.commands.clear();
    restore(machine, machine.durable.start.index, machine.durable_snapshot);
    work(id);
  }

  /// All nodes do what they can at once until the predicate holds.
  template <class Predicate>
  bool settle(Predicate holds, int rounds = 400) {
    for (int round = 0; round < rounds; ++round) {
      if (holds()) return true;
      for (auto& [id, machine] : machines_) tick(id);
      for (int turn = 0; turn < 6; ++turn) {
        write_all();
        deliver_all();
      }
    }
    return holds();
  }
  std::optional<NodeId> leader() {
    std::optional<NodeId> found;
    for (auto& [id, machine] : machines_) {
      if (machine.broken || cut_off_.contains(id)) continue;
      const auto now = status(id);
      if (now.leads && (!found || now.term > status(*found).term)) found = id;
    }
    return found;
  }
  NodeId elect() {
    EXPECT_TRUE(settle([&] { return leader() && status(*leader()).applied > 1; }));
    return *leader();
  }

  void tick(NodeId id) {
    check(at(id), core(id).tick());
    work(id);
  }
  void write_all() {
    for (auto& [id, machine] : machines_) {
      while (!machine.unwritten.empty()) write(id);
    }
  }
  void deliver_all() {
    for (auto now = std::exchange(packets_, {}); const Packet& packet : now) deliver(packet);
  }
  void deliver(const Packet& packet) {
    const NodeId to = packet.message.to;
    if (cut_off_.contains(to) || cut_off_.contains(packet.from)) return;
    if (!machines_.contains(to) || at(to).broken) return;
    trace_ = crc32c(packet.message.bytes, static_cast<uint32_t>(trace_ + to.value()));
    check(at(to), core(to).step(packet.from, packet.message.bytes));
    work(to);
  }
  /// The oldest of what is not durable becomes so.
  void write(NodeId id) {
    Machine& machine = at(id);
    if (machine.unwritten.empty() || machine.broken) return;
    RaftReady ready = std::move(machine.unwritten.front());
    machine.unwritten.pop_front();
    RaftState& durable = machine.durable;
    if (ready.snapshot) {
      durable.start = {ready.snapshot->index, ready.snapshot->term, ready.snapshot->configuration};
      durable.entries.clear();
      machine.durable_snapshot = ready.snapshot->data;
    }
    if (ready.hard_state) durable.hard_state = *ready.hard_state;
    if (!ready.entries.empty()) {
      durable.entries.resize(ready.entries.front().index - durable.start.index - 1);
      std::ranges::copy(ready.entries, std::back_inserter(durable.entries));
    }
    check(machine, core(id).persisted(ready.number));
    if (ready.snapshot) {
      restore(machine, ready.snapshot->index, ready.snapshot->data);
      check(machine, core(id).applied(ready.snapshot->index));
    }
    send(id, std::move(ready.messages_after));
    work(id);
  }
  /// The process dies, and comes back with what was durable.
  void crash(NodeId id) { start(id); }
  void cut_off(NodeId id) { cut_off_.insert(id); }
  void heal() { cut_off_.clear(); }
  /// A snapshot of what is applied and durable takes the place of those entries.
  void compact(NodeId id) {
    Machine& machine = at(id);
    RaftState& durable = machine.durable;
    while (!durable.entries.empty() && durable.entries.front().index <= machine.applied) {
      durable.start.index = durable.entries.front().index;
      durable.start.term = durable.entries.front().term;
      durable.entries.erase(durable.entries.begin());
    }
    durable.start.configuration = status(id).configuration;
    machine.durable_snapshot = snapshot_of(machine);
    check(machine, core(id).compact(durable.start.index, kept));
  }
  Result<RaftCore::Place> propose(NodeId id, const std::string& command) {
    auto place = core(id).propose(as_bytes(command));
    work(id);
    return place;
  }
  Result<RaftCore::Place> change(NodeId id, VotingRole role, NodeId who) {
    auto place = core(id).propose_change(role, who);
    work(id);
    return place;
  }

  /// Takes what the core wants done.
  void work(NodeId id) {
    Machine& machine = at(id);
    while (!machine.broken) {
      auto ready = core(id).ready();
      if (!ready) check(machine, fail(ready.error()));
      if (!ready || !*ready) break;
      send(id, std::move((*ready)->messages));
      const auto committed = std::move((*ready)->committed);
      machine.unwritten.push_back(std::move(**ready));
      for (const WalEntry& entry : committed) apply(id, entry);
      if (!committed.empty()) check(machine, core(id).applied(committed.back().index));
    }
    if (machine.broken) return;
    const auto now = status(id);
    if (now.leads) {
      const NodeId first = leaders_.emplace(now.term, id).first->second;
      ASSERT_EQ(first, id) << "two leaders of term " << now.term;
    }
    if (now.wants_snapshot)
      check(machine, core(id).offer_snapshot(now.applied, snapshot_of(machine)));
  }

 private:
  static std::vector<std::byte> snapshot_of(const Machine& machine) {
    std::vector<std::byte> data(sizeof(uint32_t));
    store_be<uint32_t>(data.data(), machine.state);
    return data;
  }
  static void restore(Machine& machine, uint64_t index, ByteView data) {
    machine.applied = index;
    machine.state = data.empty() ? 0 : load_be<uint32_t>(data.data());
  }
  void apply(NodeId id, const WalEntry& entry) {
    Machine& machine = at(id);
    ASSERT_EQ(entry.index, machine.applied + 1);
    machine.applied = entry.index;
    machine.state = crc32c(entry.data, machine.state ^ static_cast<uint32_t>(entry.term));
    if (entry.configuration) {
      check(machine, core(id).apply_change(entry));
    } else if (!entry.data.empty()) {
      machine.commands.emplace_back(as_text(entry.data));
    }
    const uint32_t first = states_.emplace(entry.index, machine.state).first->second;
    ASSERT_EQ(first, machine.state) << "two histories up to entry " << entry.index;
  }
  void send(NodeId from, std::vector<RaftMessage> messages) {
    for (RaftMessage& message : messages) packets_.push_back({from, std::move(message)});
  }
  void check(Machine& machine, const Result<>& result) {
    if (!result && result.error() == Errc::internal) machine.broken = true;
    if (!result && result.error() == Errc::invalid_request) ++machine.nonsense;
  }

  SeededRandom random_;
  std::map<NodeId, Machine> machines_;
  std::vector<Packet> packets_;
  std::set<NodeId> cut_off_;
  std::map<uint64_t, NodeId> leaders_;
  std::map<uint64_t, uint32_t> states_;
  uint64_t trace_ = 0;
};

}  // namespace sluice::broker
