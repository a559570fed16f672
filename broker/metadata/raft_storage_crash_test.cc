#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/metadata/raft_storage.h"
#include "tests/sim/crash_points.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

constexpr const char* kDirectory = "/data/metadata";
constexpr WalOptions kTiny{.file_bytes = 512};

/// All that a voter must not forget.
struct State {
  HardState hard;
  std::vector<std::string> entries;
  bool operator==(const State&) const = default;
};

/// What was said, step by step. After a crash one of these states is found, none before the last
/// acknowledged one.
struct Ledger {
  std::vector<State> said = {State{}};
  size_t acknowledged = 0;
  bool operator==(const Ledger&) const = default;
};

std::vector<std::byte> bytes_of(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

/// Snapshots hold their entries as lines.
WalSnapshot snapshot_of(const std::vector<std::string>& entries, size_t count, uint64_t term) {
  std::string lines;
  for (size_t i = 0; i < count; ++i) lines += entries[i] + "\n";
  return {count, term, bytes_of(lines), {{NodeId{1}}, {}}};
}

State state_of(const Wal::Content& content) {
  State state{.hard = content.hard_state};
  if (content.snapshot) {
    std::string_view lines = as_text(content.snapshot->data);
    for (size_t end = lines.find('\n'); end != lines.npos; end = lines.find('\n')) {
      state.entries.emplace_back(lines.substr(0, end));
      lines.remove_prefix(end + 1);
    }
  }
  for (const WalEntry& entry : content.entries) state.entries.emplace_back(as_text(entry.data));
  return state;
}

/// Says what a core would, and writes down what became durable.
class Voter {
 public:
  Voter(Ledger& ledger, std::unique_ptr<Wal> wal)
      : ledger_(ledger),
        storage_({Logger(sink_),
                  [this](const RaftStorage::Written& written) {
                    ledger_.acknowledged = of_number_[written.number - 1];
                  },
                  [](uint64_t) {}, [this](const Error& error) { failed_ = error; }},
                 std::move(wal), {}) {}

  /// Entries from `keep` on give way to these.
  void entries(size_t keep, std::vector<std::string> added, HardState hard) {
    RaftReady ready{.must_sync = true};
    // A core says it only when it changed.
    if (hard != ledger_.said.back().hard) ready.hard_state = hard;
    State next{hard, ledger_.said.back().entries};
    next.entries.resize(keep);
    for (std::string& text : added) {
      ready.entries.push_back({next.entries.size() + 1, hard.term, bytes_of(text), false});
      next.entries.push_back(std::move(text));
    }
    say(std::move(ready), {std::move(next)});
  }
  void hard_state(HardState hard) {
    const bool only_commit = hard.term == ledger_.said.back().hard.term;
    say({.hard_state = hard, .must_sync = !only_commit}, {{hard, ledger_.said.back().entries}});
  }
  /// From a leader, with another history.
  void install(std::vector<std::string> entries, HardState hard) {
    RaftReady ready{.snapshot = snapshot_of(entries, entries.size(), hard.term),
                    .hard_state = hard,
                    .must_sync = true};
    // First the snapshot is durable, then the rest.
    say(std::move(ready), {{ledger_.said.back().hard, entries}, {hard, entries}});
  }
  void save(size_t count, uint64_t term) {
    storage_.save(snapshot_of(ledger_.said.back().entries, count, term));
  }
  size_t size() const { return ledger_.said.back().entries.size(); }
  io::Task<Result<>> close() {
    co_await storage_.close();
    if (failed_) co_return fail(*failed_);
    co_return Result<>{};
  }

 private:
  void say(RaftReady ready, std::vector<State> states) {
    const bool must_sync = ready.must_sync;
    for (State& state : states) ledger_.said.push_back(std::move(state));
    // A commit index alone promises nothing.
    of_number_.push_back(must_sync            ? ledger_.said.size() - 1
                         : of_number_.empty() ? 0
                                              : of_number_.back());
    ready.number = of_number_.size();
    storage_.add(std::move(ready));
  }

  Ledger& ledger_;
  std::vector<size_t> of_number_;
  std::optional<Error> failed_;
  NullSink sink_;
  RaftStorage storage_;
};

io::Task<Result<>> script(sim::SimNode& node, Ledger& ledger) {
  node.disk().set_latency(sim::DiskOp::sync, 1ms, 5ms);
  CO_ASSIGN_OR_RETURN(auto opened, co_await Wal::open(node.disk(), kDirectory, kTiny));
  Voter voter(ledger, std::move(opened.wal));
  for (uint64_t round = 1; round <= 6; ++round) {
    const std::string name = "round " + std::to_string(round);
    const uint64_t term = 2 * round;
    const uint64_t vote = 1 + round % 3;
    const uint64_t commit = voter.size();
    voter.hard_state({term, vote, commit});
    voter.entries(voter.size(), {name, "second", "third"}, {term, vote, commit});
    co_await io::sleep_for(2ms);
    voter.hard_state({term, vote, commit + 1});
    // The next leader's entries take the place of two.
    voter.entries(voter.size() - 2, {"instead"}, {term + 1, 0, commit + 1});
    co_await io::sleep_for(30ms);
    voter.hard_state({term + 1, 0, commit + 2});
    // Proposed under a configuration that is known only up to this commit.
    if (round % 2 == 1) voter.entries(voter.size(), {"later"}, {term + 1, 0, commit + 2});
    co_await io::sleep_for(30ms);
    if (round % 2 == 0) voter.save(commit + 1, term);
    if (round == 3) {
      voter.install({"other 1", "other 2", "other 3", "other 4", "other 5"}, {term + 1, 0, 5});
      voter.entries(5, {"behind"}, {term + 1, 0, 5});
    }
    co_await io::sleep_for(30ms);
  }
  co_return co_await voter.close();
}

io::Task<Result<>> check(sim::SimNode& node, const Ledger& ledger) {
  CO_ASSIGN_OR_RETURN(auto opened, co_await Wal::open(node.disk(), kDirectory, kTiny));
  const State found = state_of(opened.content);
  for (size_t i = ledger.acknowledged; i < ledger.said.size(); ++i) {
    if (ledger.said[i] == found) co_return Result<>{};
  }
  co_return fail(Errc::internal, "found term " + std::to_string(found.hard.term) + ", vote " +
                                     std::to_string(found.hard.vote) + ", commit " +
                                     std::to_string(found.hard.commit) + " and " +
                                     std::to_string(found.entries.size()) + " entries");
}

TEST(RaftStorageCrash, ACrashTakesNothingButASuffixOfWhatWasSaidAndNothingAcknowledged) {
  const auto report = sim::enumerate_crashes<Ledger>({script, check}, {.random_crashes = 20});
  std::cout << report.to_string() << "\n";
  EXPECT_TRUE(report.failures.empty()) << report.to_string();
  EXPECT_GT(report.states, 80u);
}

}  // namespace
}  // namespace sluice::broker
