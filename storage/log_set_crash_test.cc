#include <cstdio>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "storage/log_set.h"
#include "tests/sim/crash_points.h"
#include "tests/support/log_set_world.h"

// What making, deleting and trimming logs leaves behind at a power cut.
namespace sluice::storage {
namespace {

const TopicPartition kPartition{"t", PartitionId(0)};

Uuid id(uint64_t seed) {
  SeededRandom random(seed);
  return Uuid::random(random);
}

/// What was acknowledged: of the first log of the name, then of the second.
struct Ledger {
  int made = 0;
  bool being_removed = false;
  bool removed = false;
  int64_t synced_end = 0;
  int64_t start = 0;
  bool operator==(const Ledger&) const = default;
};

using Work = std::function<io::Task<Result<>>(LogSet&)>;

/// Opens a log set on the node, does the work and closes it, also when the work fails.
io::Task<Result<>> with_set(sim::SimNode& node, Work work) {
  NullSink sink;
  MetricsRegistry metrics(4);
  MemoryBudget memory("test", 256_MiB);
  LogSetOptions options;
  options.directories = {"/data"};
  CO_ASSIGN_OR_RETURN(
      auto set, co_await LogSet::open({.runtime = node.runtime(),
                                       .memory = memory,
                                       .metrics = metrics,
                                       .log = Logger(sink),
                                       .on_directory_offline = {}},
                                      std::move(options), {.cluster_id = "c"},
                                      [](const auto&, const auto&) { return LogOptions{}; }, {}));
  auto done = co_await work(*set);
  const auto closed = co_await set->close();
  if (done && !closed) done = fail(Error(closed.error()));
  co_return done;
}

io::Task<Result<>> append_and_sync(Log& log, int count, Ledger& ledger) {
  for (int i = 0; i < count; ++i) {
    auto batch = testing::batch_of({{"key", "value"}});
    CO_RETURN_IF_ERROR(co_await log.append({.batch = batch}));
  }
  CO_RETURN_IF_ERROR(co_await log.sync_to(log.ends().end));
  ledger.synced_end = log.ends().end.value();
  log.set_high_watermark(log.ends().end);
  co_return Result<>{};
}

io::Task<Result<>> make(LogSet& set, uint64_t seed, int records, Ledger& ledger) {
  CO_ASSIGN_OR_RETURN(const auto log, co_await set.create(kPartition, id(seed), {}));
  ledger.made = static_cast<int>(seed);
  CO_RETURN_IF_ERROR(co_await log->start_epoch(LeaderEpoch(0)));
  co_return co_await append_and_sync(*log, records, ledger);
}

io::Task<Result<>> live(LogSet& set, Ledger& ledger) {
  CO_RETURN_IF_ERROR(co_await make(set, 1, 5, ledger));
  CO_RETURN_IF_ERROR(co_await set.delete_records(kPartition, Offset(3)));
  ledger.start = 3;
  ledger.being_removed = true;
  CO_RETURN_IF_ERROR(co_await set.remove(kPartition));
  ledger = {.made = 1, .removed = true};
  co_return co_await make(set, 2, 2, ledger);
}

io::Task<Result<>> script(sim::SimNode& node, Ledger& ledger) {
  co_return co_await with_set(node, [&](LogSet& set) { return live(set, ledger); });
}

Result<> compare(LogSet& set, const Ledger& ledger) {
  const auto log = set.find(kPartition);
  if (const auto failed = set.find_failed(kPartition)) return fail(Error(*failed));
  const bool must_be_there =
      ledger.made == 2 || (ledger.made == 1 && !ledger.being_removed && !ledger.removed);
  if (log == nullptr)
    return must_be_there ? Result<>(fail(Errc::internal, "the log is gone")) : Result<>{};
  if (log->damage()) return fail(Errc::internal, *log->damage());
  const bool first = log->topic_id() == id(1);
  if (!first && log->topic_id() != id(2)) return fail(Errc::internal, "a log of nobody");
  if (first && ledger.removed) return fail(Errc::internal, "the removed log is back");
  if (!first && ledger.made == 1 && !ledger.removed)
    return fail(Errc::internal, "a log that was not made yet");
  const LogEnds ends = log->ends();
  if (ends.end.value() < ledger.synced_end || ends.start.value() < ledger.start)
    return fail(Errc::internal, "starts at " + std::to_string(ends.start.value()) + ", ends at " +
                                    std::to_string(ends.end.value()));
  if (!first && ends.start.value() != 0) return fail(Errc::internal, "inherited a log start");
  return {};
}

io::Task<Result<>> check(sim::SimNode& node, const Ledger& ledger) {
  co_return co_await with_set(
      node, [&](LogSet& set) -> io::Task<Result<>> { co_return compare(set, ledger); });
}

TEST(LogSetCrash, KeepsWhatWasMadeAndForgetsWhatWasRemoved) {
  const auto report = sim::enumerate_crashes<Ledger>(
      {script, check}, {.random_crashes = 2, .nested = 1, .states_max = 3000});
  std::printf("%s\n", report.to_string().c_str());
  EXPECT_TRUE(report.failures.empty());
  EXPECT_GT(report.states, 200u);
}

TEST(LogSetCrash, SurvivesEveryFailingDiskCall) {
  const auto report = sim::fail_each_call<Ledger>({script, check});
  std::printf("%s\n", report.to_string().c_str());
  EXPECT_TRUE(report.failures.empty());
  EXPECT_GT(report.faults, 100u);
}

}  // namespace
}  // namespace sluice::storage
