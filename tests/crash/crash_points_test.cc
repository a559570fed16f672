#include "tests/sim/crash_points.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/crash/machine.h"
#include "tests/crash/read_back.h"

namespace sluice::storage {
namespace {

const TopicPartition kPartition{.topic = "t", .partition = PartitionId(0)};
const Uuid kTopicId = *Uuid::parse("AAAAAAAAAAAAAAAAAAAAAQ");

/// What a check itself appends, and cuts off again: a crash may bring it back.
constexpr uint64_t kCheckers = 1'000'000;

/// What a script has done to one log, as far as a crash must respect it.
struct Ledger {
  /// Every value that was ever being written at an offset, the newest last.
  std::map<Offset, std::vector<uint64_t>> written;
  /// Everything below is acknowledged as flushed, and is the newest that was written there.
  Offset synced{0};
  /// Where the log may start: the start is durable from the first on, and being moved to the
  /// second.
  Offset start{0}, starting{0};
  bool created = false;

  bool operator==(const Ledger&) const = default;
};

/// The script's hands: does things to the log and writes down what they promise.
class Worker {
 public:
  Worker(sim::SimNode& node, Ledger& ledger) : machine_(node), ledger_(ledger) {}

  io::Task<Result<>> open() {
    CO_RETURN_IF_ERROR(co_await machine_.open(Machine::tiny_options()));
    log_ = machine_.set().find(kPartition);
    if (auto failed = machine_.set().find_failed(kPartition)) co_return fail(std::move(*failed));
    co_return {};
  }
  io::Task<Result<>> create() {
    CO_ASSIGN_OR_RETURN(
        log_, co_await machine_.set().create(kPartition, kTopicId, Machine::tiny_options()));
    ledger_.created = true;
    co_return co_await log_->start_epoch(LeaderEpoch(0));
  }
  /// Batches of two records each.
  io::Task<Result<>> append(int batches) {
    for (int i = 0; i < batches; ++i) {
      Offset at = log_->ends().end;
      const std::vector<uint64_t> values{++value_, ++value_};
      for (const uint64_t value : values) {
        ledger_.written[at].push_back(value);
        ++at;
      }
      auto batch = batch_of_numbers(values, Timestamp(static_cast<int64_t>(1000 + value_)));
      CO_RETURN_IF_ERROR(co_await log_->append(
          {.batch = batch, .leader_epoch = log_->latest_epoch(), .now = Timestamp(5000)}));
    }
    co_return {};
  }
  io::Task<Result<>> sync() {
    const Offset end = log_->ends().end;
    CO_RETURN_IF_ERROR(co_await log_->sync_to(end));
    ledger_.synced = end;
    co_return {};
  }
  io::Task<Result<>> truncate(int64_t back) {
    const Offset to = log_->ends().end - back;
    ledger_.synced = std::min(ledger_.synced, to - to.value() % 2);  // a batch's start
    co_return co_await log_->truncate_to(to);
  }
  io::Task<Result<>> delete_before(Offset start) {
    ledger_.starting = start;
    log_->set_high_watermark(log_->ends().end);
    CO_RETURN_IF_ERROR(co_await machine_.set().delete_records(kPartition, start));
    ledger_.start = start;
    co_return {};
  }
  io::Task<Result<>> roll() {
    const Offset end = log_->ends().end;
    CO_RETURN_IF_ERROR(co_await log_->roll());
    ledger_.synced = end;
    co_return {};
  }
  io::Task<Result<>> close() {
    const Offset end = log_->ends().end;
    CO_RETURN_IF_ERROR(co_await stop());
    ledger_.synced = end;
    co_return {};
  }
  /// As close, after an error: with its directory offline it promises nothing.
  io::Task<Result<>> stop() {
    log_.reset();
    if (!machine_.is_open()) co_return {};
    co_return co_await machine_.close();
  }

 private:
  Machine machine_;
  Ledger& ledger_;
  std::shared_ptr<Log> log_;
  uint64_t value_ = 0;
};

io::Task<Result<>> work(Worker& worker) {
  CO_RETURN_IF_ERROR(co_await worker.open());
  CO_RETURN_IF_ERROR(co_await worker.create());
  CO_RETURN_IF_ERROR(co_await worker.append(3));
  CO_RETURN_IF_ERROR(co_await worker.sync());
  CO_RETURN_IF_ERROR(co_await worker.append(6));  // over a roll
  CO_RETURN_IF_ERROR(co_await worker.sync());
  CO_RETURN_IF_ERROR(co_await worker.append(2));
  CO_RETURN_IF_ERROR(co_await worker.truncate(11));  // over a segment's start, into a batch
  CO_RETURN_IF_ERROR(co_await worker.append(5));
  CO_RETURN_IF_ERROR(co_await worker.sync());
  CO_RETURN_IF_ERROR(co_await worker.roll());
  CO_RETURN_IF_ERROR(co_await worker.append(4));
  CO_RETURN_IF_ERROR(co_await worker.delete_before(Offset(9)));
  CO_RETURN_IF_ERROR(co_await worker.append(1));
  CO_RETURN_IF_ERROR(co_await worker.close());
  CO_RETURN_IF_ERROR(co_await worker.open());
  CO_RETURN_IF_ERROR(co_await worker.append(5));
  CO_RETURN_IF_ERROR(co_await worker.sync());
  CO_RETURN_IF_ERROR(co_await worker.append(1));
  co_return co_await worker.close();
}

io::Task<Result<>> script(sim::SimNode& node, Ledger& ledger) {
  Worker worker(node, ledger);
  auto done = co_await work(worker);
  auto stopped = co_await worker.stop();
  co_return done ? std::move(stopped) : std::move(done);
}

Result<> compare(const Ledger& ledger, const LogEnds& ends,
                 const std::map<Offset, NumberedValue>& content) {
  const auto at = [](Offset offset) { return " at offset " + std::to_string(offset.value()); };
  if (ends.start < ledger.start || ends.start > ledger.starting)
    return broken("start" + at(ends.start));
  if (ends.end < ledger.synced) return broken("flushed records are lost" + at(ends.end));
  for (Offset offset = ends.start; offset < ends.end; ++offset) {
    const auto found = content.find(offset);
    if (found == content.end()) return broken("an offset is skipped" + at(offset));
    if (offset >= ledger.synced && found->second.value == kCheckers) continue;
    const auto written = ledger.written.find(offset);
    if (written == ledger.written.end()) return broken("a record nobody wrote" + at(offset));
    const auto& values = written->second;
    const bool known = std::ranges::find(values, found->second.value) != values.end();
    const bool newest = found->second.value == values.back();
    if (!known || (offset < ledger.synced && !newest))
      return broken("a changed record" + at(offset));
  }
  return {};
}

/// What was left opens, keeps what it must, and goes on.
io::Task<Result<>> check_log(Machine& machine, Log& log, const Ledger& ledger) {
  if (log.damage()) co_return broken("taken for damaged: " + *log.damage());
  CO_ASSIGN_OR_RETURN(const auto content, co_await read_back(log));
  CO_RETURN_IF_ERROR(compare(ledger, log.ends(), content));
  CO_RETURN_IF_ERROR(co_await check_lookups(log, content));
  const LogEnds before = log.ends();
  auto batch = batch_of_numbers({kCheckers}, Timestamp(9000));
  CO_RETURN_IF_ERROR(co_await log.start_epoch(LeaderEpoch(log.latest_epoch().value() + 1)));
  CO_ASSIGN_OR_RETURN(const auto appended, co_await log.append({.batch = batch,
                                                                .leader_epoch = log.latest_epoch(),
                                                                .now = Timestamp(9000)}));
  if (appended.base_offset != before.end) co_return broken("the next offset is not the log end");
  // Out again, so that the check may be crashed and repeated.
  co_return co_await log.truncate_to(before.end);
}

io::Task<Result<>> check(sim::SimNode& node, const Ledger& ledger) {
  Machine machine(node);
  CO_RETURN_IF_ERROR(co_await machine.open(Machine::tiny_options()));
  Result<> result;
  if (auto log = machine.set().find(kPartition)) {
    result = co_await check_log(machine, *log, ledger);
  } else if (auto failed = machine.set().find_failed(kPartition)) {
    result = fail(std::move(*failed));
  } else if (ledger.created) {
    result = broken("the log is gone");
  }
  auto closed = co_await machine.close();
  co_return result ? std::move(closed) : std::move(result);
}

TEST(CrashPointsTest, KeepsWhatWasFlushedWhereverThePowerFails) {
  const char* states = std::getenv("SLUICE_CRASH_STATES");
  const auto report = sim::enumerate_crashes<Ledger>(
      {.script = script, .check = check},
      {.states_max = states != nullptr ? std::strtoull(states, nullptr, 10) : 4000});
  std::printf("%s\n", report.to_string().c_str());
  EXPECT_GT(report.states, 500u);
  EXPECT_TRUE(report.failures.empty());
}

TEST(CrashPointsTest, KeepsWhatWasFlushedWhicheverDiskCallFails) {
  const auto report = sim::fail_each_call<Ledger>({.script = script, .check = check});
  std::printf("%s\n", report.to_string().c_str());
  EXPECT_GT(report.faults, 100u);
  EXPECT_TRUE(report.failures.empty());
}

}  // namespace
}  // namespace sluice::storage
