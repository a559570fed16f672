#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "storage/log_set.h"
#include "tests/sim/crash_points.h"
#include "tests/support/log_set_world.h"
#include "tests/support/range_copy.h"

// A repair that is cut short anywhere leaves a log that can be repaired.
namespace sluice::storage {
namespace {

const TopicPartition kPartition{"t", PartitionId(0)};
const Uuid kTopic(std::array<std::byte, 16>{std::byte{3}});
constexpr int64_t kRecords = 12;
const char* const kDamaged = "/data/t-0/00000000000000000000.log";

LogOptions small_segments() {
  LogOptions options;
  options.segment_bytes = 400;
  options.index_interval_bytes = 100;
  return options;
}

std::vector<std::byte> batch_at(int64_t offset) {
  return testing::batch_of({{"key", "value" + std::to_string(offset)}});
}

/// The replica that is whole.
class Whole final : public RangeSource {
 public:
  io::Task<Result<MutableBytes>> fetch(Offset from, Offset /*to*/) override {
    batch_ = batch_at(from.value());
    record::stamp(batch_, from, LeaderEpoch(0));
    co_return MutableBytes(batch_);
  }

 private:
  std::vector<std::byte> batch_;
};

io::Task<Result<>> repair(LogSet& set) {
  const std::atomic<bool> stopping{false};
  Whole source;
  CO_ASSIGN_OR_RETURN(auto plan, co_await set.plan_repair(kPartition, source, stopping));
  CO_RETURN_IF_ERROR(co_await set.finish_repair(kPartition, std::move(plan)));
  co_return Result<>{};
}

io::Task<Result<>> fill_and_repair(sim::SimNode& node, LogSet& set, bool& damaged) {
  {
    CO_ASSIGN_OR_RETURN(const auto log, co_await set.create(kPartition, kTopic, small_segments()));
    CO_RETURN_IF_ERROR(co_await log->start_epoch(LeaderEpoch(0)));
    for (int64_t i = 0; i < kRecords; ++i) {
      auto batch = batch_at(i);
      CO_RETURN_IF_ERROR(co_await log->append({.batch = batch}));
    }
    CO_RETURN_IF_ERROR(co_await log->sync_to(Offset(kRecords)));
    log->set_high_watermark(Offset(kRecords));
    log->set_damaged("a test says so");
  }
  CO_ASSIGN_OR_RETURN(auto file, co_await node.disk().open(kDamaged, io::OpenMode::write));
  const std::byte wrong{0x55};
  const ByteView bytes(&wrong, 1);
  CO_RETURN_IF_ERROR(co_await file->write_at(150, std::span(&bytes, 1), io::Lane::cold));
  CO_RETURN_IF_ERROR(co_await file->sync(io::Lane::cold));
  damaged = true;
  co_return co_await repair(set);
}

io::Task<Result<>> compare(Log& log) {
  if (log.damage()) co_return fail(Errc::internal, *log.damage());
  for (Offset at{0}; at < log.ends().end;) {
    CO_ASSIGN_OR_RETURN(const auto read, co_await log.read({.from = at, .bound = log.ends().end}));
    std::vector<std::byte> bytes(read.slice.length);
    CO_RETURN_IF_ERROR(
        co_await read.slice.file->read_at(read.slice.position, bytes, io::Lane::cold));
    record::BatchCursor cursor(bytes);
    for (auto batch = cursor.next(); batch && *batch; batch = cursor.next()) {
      auto wanted = batch_at(at.value());
      record::stamp(wanted, at, LeaderEpoch(0));
      if (!std::ranges::equal((*batch)->bytes(), wanted))
        co_return fail(Errc::internal, "wrong at " + std::to_string(at.value()));
      ++at;
    }
  }
  co_return Result<>{};
}

/// After any crash: what is there is right once it is repaired, and as long as it was unless what
/// is gone was never vouched for.
io::Task<Result<>> settle(LogSet& set) {
  const std::atomic<bool> stopping{false};
  if (set.find(kPartition) == nullptr) co_return fail(Errc::internal, "the log is not there");
  CO_RETURN_IF_ERROR(co_await set.check_all(kPartition, stopping));
  if (set.find(kPartition)->is_damaged()) CO_RETURN_IF_ERROR(co_await repair(set));
  co_return co_await compare(*set.find(kPartition));
}

template <class Work>
io::Task<Result<>> with_set(sim::SimNode& node, Work work) {
  NullSink sink;
  MetricsRegistry metrics(4);
  MemoryBudget memory("test", 256_MiB);
  LogSetOptions options;
  options.directories = {"/data"};
  CO_ASSIGN_OR_RETURN(auto set,
                      co_await LogSet::open(
                          {.runtime = node.runtime(),
                           .memory = memory,
                           .metrics = metrics,
                           .log = Logger(sink),
                           .on_directory_offline = [](const std::string&, const Error&) {}},
                          std::move(options), {.cluster_id = "c", .node_id = NodeId(1)},
                          [](const TopicPartition&, const Uuid&) { return small_segments(); }, {}));
  auto done = co_await work(*set);
  auto closed = co_await set->close();
  if (done && !closed) done = std::move(closed);
  co_return done;
}

io::Task<Result<>> script(sim::SimNode& node, bool& damaged) {
  return with_set(node,
                  [&node, &damaged](LogSet& set) { return fill_and_repair(node, set, damaged); });
}

io::Task<Result<>> check(sim::SimNode& node, const bool& damaged) {
  if (!damaged) return io::Task<Result<>>::ready();
  return with_set(node, [](LogSet& set) { return settle(set); });
}

TEST(RepairCrash, CanBeDoneAgainWhereverThePowerFails) {
  const auto report = sim::enumerate_crashes<bool>(
      {script, check}, {.random_crashes = 1, .nested = 1, .states_max = 500});
  std::printf("%s\n", report.to_string().c_str());
  EXPECT_TRUE(report.failures.empty());
  EXPECT_GT(report.states, 50U);
}

}  // namespace
}  // namespace sluice::storage
