#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/log.h"
#include "broker/metadata/raft_log.h"
#include "tests/sim/simulator.h"

namespace sluice::broker {

/// Nodes with a RaftLog each on simulated machines, and wires that may lose things. What is folded
/// is the list of the commands, each once.
class RaftGroup {
 public:
  struct Member final : RaftTransport {
    Member(RaftGroup& of, NodeId named) : group(of), id(named) {}
    void send(NodeId to, std::vector<std::byte> message) override {
      group.carry(id, to, std::move(message));
    }
    RaftGroup& group;
    const NodeId id;
    sim::SimNode* node = nullptr;
    sim::DiskImage disk;
    std::unique_ptr<RaftLog> log;
    std::vector<std::string> commands;
    std::set<std::string> seen;
    uint64_t restored = 0;
    bool leads = false;
    uint64_t applied_when_leading = 0;
  };

  explicit RaftGroup(uint64_t seed) : simulator_(seed) {}
  ~RaftGroup() {
    for (auto& [id, member] : members_) {
      if (member->log) stop(id);
    }
    // What is still on the wires ends.
    simulator_.run_for(20s);
  }

  sim::Simulator& simulator() { return simulator_; }
  Member& at(NodeId id) { return *members_.at(id); }
  RaftLog& log(NodeId id) { return *at(id).log; }
  io::Loop& loop(NodeId id) { return at(id).node->executor().control(); }

  /// Of a hundred messages and of a hundred calls.
  uint64_t lost_percent = 0;
  uint64_t snapshot_every_bytes = 4_MiB;

  /// Voters of a new group; none: it joins.
  void start(NodeId id, std::vector<NodeId> voters = {}) {
    auto& member = members_[id];
    if (!member) member = std::make_unique<Member>(*this, id);
    member->node = &simulator_.add_node("node-" + std::to_string(id.value()),
                                        {.disk = std::move(member->disk)});
    // So that there is something under way to be lost.
    member->node->disk().set_latency(sim::DiskOp::sync, std::chrono::microseconds(500), 10ms);
    member->commands.clear();
    member->seen.clear();
    member->leads = false;
    RaftOptions options{.self = id, .snapshot_every_bytes = snapshot_every_bytes};
    if (!voters.empty()) options.bootstrap = RaftBootstrap{std::move(voters)};
    auto opened =
        simulator_.run_on(loop(id), RaftLog::open(ports(*member), "/data/metadata", options));
    ASSERT_TRUE(opened) << opened.error().message();
    member->log = std::move(*opened);
  }
  void start_all(std::vector<NodeId> voters) {
    for (const NodeId id : voters) start(id, voters);
    ASSERT_TRUE(leader());
  }
  void stop(NodeId id) {
    simulator_.run_on(loop(id), log(id).close());
    at(id).disk = at(id).node->disk().image();
    at(id).node->kill(sim::Death::process);
    at(id).log.reset();
  }
  /// What was not synced may be lost.
  void kill(NodeId id) {
    Member& member = at(id);
    member.disk = member.node->disk().crash(sim::CrashMode::random, simulator_.random());
    member.node->kill(sim::Death::power);
    simulator_.run_on(loop(id), log(id).close());
    member.log.reset();
  }
  void cut_off(NodeId id) { cut_off_.insert(id); }
  void heal() { cut_off_.clear(); }

  std::optional<NodeId> leads_now() {
    for (auto& [id, member] : members_) {
      if (member->log && member->leads && !cut_off_.contains(id)) return id;
    }
    return std::nullopt;
  }
  std::optional<NodeId> leader(Duration within = 10s) {
    until([&] { return leads_now().has_value(); }, within);
    return leads_now();
  }
  bool until(const std::function<bool()>& holds, Duration within = 10s) {
    return simulator_.run_until(holds, within);
  }

  void propose(NodeId from, std::string command, std::optional<Result<>>& outcome) {
    simulator_.start_on(loop(from), run(log(from), std::move(command), outcome));
  }
  Result<> propose(NodeId from, std::string command) {
    std::optional<Result<>> outcome;
    propose(from, std::move(command), outcome);
    EXPECT_TRUE(until([&] { return outcome.has_value(); }, 20s));
    return outcome.value_or(fail(Errc::timed_out));
  }
  Result<> ask(NodeId of, io::Task<Result<>> (RaftLog::*what)(NodeId), NodeId about) {
    return simulator_.run_on(loop(of), (log(of).*what)(about));
  }
  /// All that run have the same commands, and as many entries.
  bool agree() {
    const Member* first = nullptr;
    for (auto& [id, member] : members_) {
      if (!member->log) continue;
      if (first == nullptr) first = member.get();
      if (member->commands != first->commands ||
          member->log->status().applied != first->log->status().applied) {
        return false;
      }
    }
    return true;
  }

 private:
  static io::Task<void> run(RaftLog& log, std::string command, std::optional<Result<>>& outcome) {
    const ByteView bytes = as_bytes(command);
    outcome = co_await log.propose({bytes.begin(), bytes.end()});
  }

  RaftLog::Ports ports(Member& member) {
    return {.disk = member.node->disk(),
            .control = loop(member.id),
            .random = member.node->runtime().random,
            .log = Logger(sink_),
            .subscriber = subscriber(member),
            .on_failed = [](const Error&) {},
            .transport = &member,
            .forward =
                [this, &member](NodeId leader, std::vector<std::byte> command) {
                  return forward(member.id, leader, std::move(command));
                },
            .on_role =
                [&member](bool leads, uint64_t) {
                  member.leads = leads;
                  if (leads) member.applied_when_leading = member.log->status().applied;
                }};
  }
  static MetadataSubscriber subscriber(Member& member) {
    return {.apply = [&member](uint64_t, ByteView bytes) -> Result<> {
              const std::string command(as_text(bytes));
              if (!member.seen.insert(command).second) return fail(Errc::already_exists);
              member.commands.push_back(command);
              return {};
            },
            .restore = [&member](uint64_t index, ByteView bytes) -> Result<> {
              member.restored = index;
              member.commands.clear();
              std::string_view lines = as_text(bytes);
              for (size_t end = lines.find('\n'); end != lines.npos; end = lines.find('\n')) {
                member.commands.emplace_back(lines.substr(0, end));
                lines.remove_prefix(end + 1);
              }
              member.seen = {member.commands.begin(), member.commands.end()};
              return {};
            },
            .snapshot =
                [&member] {
                  std::string lines;
                  for (const std::string& command : member.commands) lines += command + "\n";
                  const ByteView bytes = as_bytes(lines);
                  return [encoded = std::vector<std::byte>(bytes.begin(), bytes.end())] {
                    return encoded;
                  };
                }};
  }

  bool arrives(NodeId from, NodeId to) {
    return !cut_off_.contains(from) && !cut_off_.contains(to) && members_.contains(to) &&
           simulator_.random().below(100) >= lost_percent;
  }
  void carry(NodeId from, NodeId to, std::vector<std::byte> message) {
    if (!arrives(from, to) || !at(to).log) return;
    const Duration delay = std::chrono::microseconds(100 + simulator_.random().below(2000));
    simulator_.start_on(loop(to), arrive(from, to, std::move(message), delay));
  }
  io::Task<void> arrive(NodeId from, NodeId to, std::vector<std::byte> message, Duration delay) {
    co_await io::sleep_for(delay);
    if (at(to).log && &loop(to) == io::Loop::current()) log(to).receive(from, message);
  }
  io::Task<Result<uint64_t>> forward(NodeId from, NodeId to, std::vector<std::byte> command) {
    io::Loop& home = *io::Loop::current();
    Result<uint64_t> answer = fail(Errc::connection_failed);
    if (arrives(from, to) && at(to).log) {
      co_await loop(to).enter();
      if (at(to).log) answer = co_await log(to).propose_here(std::move(command));
      co_await home.enter();
      if (!arrives(to, from)) answer = fail(Errc::outcome_unknown);
    }
    co_return answer;
  }

  NullSink sink_;
  sim::Simulator simulator_;
  std::map<NodeId, std::unique_ptr<Member>> members_;
  std::set<NodeId> cut_off_;
};

}  // namespace sluice::broker
