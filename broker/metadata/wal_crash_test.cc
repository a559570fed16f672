#include <algorithm>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/metadata/wal.h"
#include "tests/sim/crash_points.h"

namespace sluice::broker {
namespace {

constexpr const char* kDirectory = "/data/metadata";
constexpr WalOptions kTiny{.file_bytes = 384};

/// All that a log says: the entries from the first one on, and the term.
struct State {
  std::vector<std::string> entries;
  uint64_t term = 0;
  bool operator==(const State&) const = default;
};

/// What may be found after a crash now: the last acknowledged state, or the one under way.
struct Ledger {
  State acknowledged;
  State under_way;
  bool operator==(const Ledger&) const = default;
};

std::vector<std::byte> bytes_of(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

/// Snapshots hold their entries as lines.
std::vector<std::byte> snapshot_of(const State& state, size_t count) {
  std::string lines;
  for (size_t i = 0; i < count; ++i) lines += state.entries[i] + "\n";
  return bytes_of(lines);
}

State state_of(const Wal::Content& content) {
  State state{.entries = {}, .term = content.hard_state.term};
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

io::Task<Result<>> append(Wal& wal, Ledger& ledger, size_t keep, std::vector<std::string> added,
                          uint64_t term) {
  WalBatch batch;
  ledger.under_way = ledger.acknowledged;
  if (keep < ledger.acknowledged.entries.size()) {
    batch.truncate_from = keep + 1;
    ledger.under_way.entries.resize(keep);
  }
  for (std::string& text : added) {
    batch.entries.push_back({ledger.under_way.entries.size() + 1, term, bytes_of(text)});
    ledger.under_way.entries.push_back(std::move(text));
  }
  if (term != ledger.under_way.term) batch.hard_state = HardState{term, 0, 0};
  ledger.under_way.term = term;
  CO_RETURN_IF_ERROR(co_await wal.append(std::move(batch)));
  ledger.acknowledged = ledger.under_way;
  co_return Result<>{};
}

io::Task<Result<>> script(sim::SimNode& node, Ledger& ledger) {
  CO_ASSIGN_OR_RETURN(auto opened, co_await Wal::open(node.disk(), kDirectory, kTiny));
  Wal& wal = *opened.wal;
  for (int round = 0; round < 12; ++round) {
    const std::string name = "round " + std::to_string(round);
    const auto& entries = ledger.acknowledged.entries;
    const auto term = static_cast<uint64_t>(1 + round / 2);
    CO_RETURN_IF_ERROR(co_await append(wal, ledger, entries.size(), {name, "second"}, term));
    CO_RETURN_IF_ERROR(co_await append(wal, ledger, entries.size() - 1, {"instead"}, term + 1));
    CO_RETURN_IF_ERROR(
        co_await append(wal, ledger, entries.size(), {std::string(100, 'x')}, term + 1));
    const size_t covered = entries.size() - 1;
    CO_RETURN_IF_ERROR(
        co_await wal.save_snapshot({covered, term + 1, snapshot_of(ledger.acknowledged, covered)}));
  }
  co_return Result<>{};
}

io::Task<Result<>> check(sim::SimNode& node, const Ledger& ledger) {
  CO_ASSIGN_OR_RETURN(auto opened, co_await Wal::open(node.disk(), kDirectory, kTiny));
  const State found = state_of(opened.content);
  if (found == ledger.acknowledged || found == ledger.under_way) co_return Result<>{};
  co_return fail(Errc::internal, "found " + std::to_string(found.entries.size()) +
                                     " entries, acknowledged were " +
                                     std::to_string(ledger.acknowledged.entries.size()));
}

/// As check, and goes on writing: what was found stays.
io::Task<Result<>> check_and_go_on(sim::SimNode& node, const Ledger& ledger) {
  CO_RETURN_IF_ERROR(co_await check(node, ledger));
  State found;
  {
    CO_ASSIGN_OR_RETURN(auto opened, co_await Wal::open(node.disk(), kDirectory, kTiny));
    found = state_of(opened.content);
    WalBatch batch;
    batch.entries.push_back({found.entries.size() + 1, 9, bytes_of("after")});
    CO_RETURN_IF_ERROR(co_await opened.wal->append(std::move(batch)));
  }
  found.entries.emplace_back("after");
  CO_ASSIGN_OR_RETURN(auto again, co_await Wal::open(node.disk(), kDirectory, kTiny));
  if (state_of(again.content) == found) co_return Result<>{};
  co_return fail(Errc::internal, "what was appended after the crash is not there");
}

TEST(WalCrash, WhatWasAcknowledgedIsThereAfterACrashAnywhereAndInRecovery) {
  const auto report = sim::enumerate_crashes<Ledger>({script, check}, {.random_crashes = 20});
  std::cout << report.to_string() << "\n";
  EXPECT_TRUE(report.failures.empty()) << report.to_string();
  EXPECT_GT(report.states, 200u);
}

TEST(WalCrash, TheLogCanBeWrittenOnAfterACrashAnywhere) {
  const auto report =
      sim::enumerate_crashes<Ledger>({script, check_and_go_on}, {.nested = 0, .seed = 2});
  EXPECT_TRUE(report.failures.empty()) << report.to_string();
}

TEST(WalCrash, AnyFailingDiskCallLosesNothingAcknowledged) {
  const auto report = sim::fail_each_call<Ledger>({script, check_and_go_on});
  std::cout << report.to_string() << "\n";
  EXPECT_TRUE(report.failures.empty()) << report.to_string();
  EXPECT_GT(report.faults, 100u);
}

}  // namespace
}  // namespace sluice::broker
