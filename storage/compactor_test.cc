#include "storage/compactor.h"

#include <cstdio>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/folder_recovery.h"
#include "storage/inspect.h"
#include "tests/sim/crash_points.h"
#include "tests/support/log_set_world.h"

namespace sluice::storage {
namespace {

using testing::KeyValue;

/// A value per key, the tombstones as nothing.
using Table = std::map<std::string, std::optional<std::string>>;

Table latest(const std::vector<std::pair<int64_t, KeyValue>>& records) {
  Table table;
  for (const auto& item : records) table[item.second.key] = item.second.value;
  return table;
}

LogOptions compacted_options() {
  LogOptions options;
  options.segment_bytes = 400;
  options.index_interval_bytes = 100;
  options.cleanup_delete = false;
  options.cleanup_compact = true;
  options.delete_retention_ms = std::chrono::hours(1);
  return options;
}

class CompactorTest : public ::testing::Test {
 protected:
  CompactorTest() {
    world_.log_options = compacted_options();
    EXPECT_TRUE(world_.open().has_value());
    log_ = *world_.create("t");
  }
  ~CompactorTest() override { log_.reset(); }
  /// One record a batch, a few batches a segment.
  void append(int count, int keys) {
    for (int i = 0; i < count; ++i, ++written_) {
      ASSERT_TRUE(world_.append(
          *log_, {{"key" + std::to_string(written_ % keys), "value" + std::to_string(written_)}}));
    }
    log_->set_high_watermark(log_->ends().end);
  }
  void compact() {
    world_.set().start();
    world_.simulator().run_for(16s);
  }
  size_t segments() { return world_.run(log_->segments())->size(); }
  void reopen() {
    log_.reset();
    ASSERT_TRUE(world_.close().has_value());
    ASSERT_TRUE(world_.open().has_value());
    log_ = world_.log("t");
  }

  testing::LogSetWorld world_;
  std::shared_ptr<Log> log_;
  int written_ = 0;
};

TEST_F(CompactorTest, KeepsTheLatestOfEachKeyAndShrinksTheLog) {
  append(100, 7);
  const auto before = world_.read_all(*log_);
  const auto bytes = log_->ends().bytes;
  const auto active = world_.run(log_->segments())->back().base;
  compact();
  const auto after = world_.read_all(*log_);
  EXPECT_EQ(latest(after), latest(before));
  EXPECT_LT(log_->ends().bytes, bytes / 2);
  EXPECT_EQ(log_->ends().end, Offset(100));
  std::map<std::string, int> below_active;
  for (const auto& [offset, record] : after)
    if (offset < active.value()) EXPECT_EQ(++below_active[record.key], 1) << record.key;
}

TEST_F(CompactorTest, LeavesNoOtherFilesAndALogThatVerifies) {
  append(100, 7);
  compact();
  world_.simulator().run_for(61s);
  for (const auto& entry : *world_.run(world_.disk().list("/data/t-0"))) {
    EXPECT_FALSE(entry.name.ends_with(".deleted") || entry.name.ends_with(".cleaned") ||
                 entry.name.ends_with(".swap"))
        << entry.name;
  }
  reopen();
  EXPECT_EQ(latest(world_.read_all(*log_)).size(), 7u);
}

TEST_F(CompactorTest, ARottenKeyIsDamageAndMakesNobodyElsesRecordLookOld) {
  append(40, 7);
  const std::string path = "/data/t-0/00000000000000000000.log";
  auto bytes = *world_.run(io::read_file(world_.disk(), path, 10'000));
  const size_t key = std::string(as_text(bytes)).find("key2");
  ASSERT_NE(key, std::string::npos);
  const std::byte another = bytes[key + 3] ^ std::byte{1};
  const ByteView wrong(&another, 1);
  auto file = *world_.run(world_.disk().open(path, io::OpenMode::write));
  ASSERT_TRUE(world_.run(file->write_at(key + 3, std::span(&wrong, 1), io::Lane::hot)));
  const auto size = log_->ends().bytes;
  compact();
  EXPECT_EQ(log_->ends().bytes, size) << "nothing was taken away";
  EXPECT_TRUE(log_->is_damaged());
}

TEST_F(CompactorTest, GoesOnWhereItEndedAfterARestart) {
  append(60, 7);
  compact();
  reopen();
  const auto segments_before = segments();
  append(60, 7);
  const auto expected = latest(world_.read_all(*log_));
  compact();
  EXPECT_EQ(latest(world_.read_all(*log_)), expected);
  EXPECT_LT(segments(), segments_before + 5);
}

TEST_F(CompactorTest, LetsReadersFinishWhatTheyHold) {
  append(40, 3);
  const auto held = world_.run(log_->read({.from = Offset(0), .bound = Offset(40)}));
  ASSERT_TRUE(held.has_value());
  std::vector<std::byte> before(held->slice.length), after(held->slice.length);
  const auto read = [&](MutableBytes to) {
    return world_.run([](FileSlice slice, MutableBytes out) -> io::Task<Result<size_t>> {
      co_return co_await slice.file->read_at(slice.position, out, io::Lane::cold);
    }(held->slice, to));
  };
  ASSERT_TRUE(read(before).has_value());
  compact();
  world_.simulator().run_for(61s);
  ASSERT_TRUE(read(after).has_value());
  EXPECT_EQ(before, after);
  EXPECT_TRUE(held->slice.current());
}

TEST_F(CompactorTest, LeavesTheLogAloneWhenTheDiskIsFull) {
  append(60, 7);
  const auto before = world_.read_all(*log_);
  world_.disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    if (call.op == sim::DiskOp::write && call.path.ends_with(".cleaned")) return Errc::disk_full;
    return std::nullopt;
  });
  compact();
  world_.disk().set_fault({});
  EXPECT_EQ(world_.read_all(*log_), before);
  EXPECT_TRUE(world_.went_offline.empty());
}

/// What a crash test needs to run a log and its compaction on a node.
struct Rig {
  explicit Rig(sim::SimNode& at) : node(at) {
    params.directory = "/data";
    params.partition = {"t", PartitionId(0)};
    params.options = compacted_options();
    params.power_lost = true;
  }
  LogPorts ports() {
    return {.disk = node.disk(),
            .clock = node.clock(),
            .files = files,
            .maps = maps,
            .memory = memory,
            .log = Logger(sink),
            .before_truncation = {},
            .discard = {},
            .take_offline = {}};
  }
  Compactor compactor() {
    return Compactor({.executor = node.executor(),
                      .random = node.runtime().random,
                      .clock = node.clock(),
                      .memory = memory,
                      .log = Logger(sink)},
                     1_MiB);
  }
  sim::SimNode& node;
  NullSink sink;
  FileCache files{64};
  FileCache maps{64};
  MemoryBudget memory{"test", 64_MiB};
  LogParams params;
};

constexpr int kRecords = 16;
constexpr int kKeys = 4;

io::Task<Result<>> fill_and_compact(Rig& rig, Log& log, int& synced) {
  CO_RETURN_IF_ERROR(co_await log.start_epoch(LeaderEpoch(0)));
  for (int i = 0; i < kRecords; ++i) {
    auto batch = testing::batch_of({{"key" + std::to_string(i % kKeys), std::to_string(i)}});
    CO_RETURN_IF_ERROR(co_await log.append({.batch = batch}));
  }
  CO_RETURN_IF_ERROR(co_await log.sync_to(Offset(kRecords)));
  synced = kRecords;
  log.set_high_watermark(Offset(kRecords));
  const std::atomic<bool> stopping{false};
  std::vector<std::string> deleted;
  const auto done = co_await rig.compactor().compact(
      {.log = log,
       .disk = rig.node.disk(),
       .discard = [&](std::vector<std::string> paths) { deleted = std::move(paths); }},
      stopping);
  if (!done) co_return fail(Error(done.error()));
  if (!*done) co_return fail(Errc::internal, "nothing was compacted");
  for (const auto& path : deleted) CO_RETURN_IF_ERROR(co_await rig.node.disk().remove(path));
  co_return Result<>{};
}

/// Every record that is there is right, and the last of each key is there.
io::Task<Result<>> compare(Log& log, int synced) {
  const LogEnds ends = log.ends();
  if (log.damage()) co_return fail(Errc::internal, *log.damage());
  if (ends.end < Offset(synced)) co_return fail(Errc::internal, "synced records are gone");
  std::map<int64_t, int64_t> found;
  for (Offset at = ends.start; at < ends.end;) {
    CO_ASSIGN_OR_RETURN(const auto read, co_await log.read({.from = at, .bound = ends.end}));
    std::vector<std::byte> bytes(read.slice.length);
    CO_RETURN_IF_ERROR(
        co_await read.slice.file->read_at(read.slice.position, bytes, io::Lane::cold));
    record::BatchCursor cursor(bytes);
    for (auto batch = cursor.next(); batch && *batch; batch = cursor.next()) {
      at = (*batch)->header().next_offset();
      record::RecordReader reader((*batch)->header(), (*batch)->payload());
      record::RecordView record;
      for (auto more = reader.next(record); more && *more; more = reader.next(record)) {
        const auto offset = record.offset.value();
        if (as_text(*record.value) != std::to_string(offset) || found.contains(offset))
          co_return fail(Errc::internal, "wrong at offset " + std::to_string(offset));
        found[offset] = offset % kKeys;
      }
    }
  }
  for (int64_t offset = std::max(0, synced - kKeys); offset < synced; ++offset)
    if (!found.contains(offset))
      co_return fail(Errc::internal, "lost offset " + std::to_string(offset));
  co_return Result<>{};
}

io::Task<Result<>> script(sim::SimNode& node, int& synced) {
  Rig rig(node);
  CO_ASSIGN_OR_RETURN(auto log, co_await Log::create(rig.ports(), rig.params));
  auto done = co_await fill_and_compact(rig, *log, synced);
  co_await log->abandon();
  co_return done;
}

io::Task<Result<>> check(sim::SimNode& node, const int& synced) {
  Rig rig(node);
  rig.params.synced_end = rig.params.recovery_point = Offset(synced);
  CO_RETURN_IF_ERROR(co_await node.disk().create_directories("/data/t-0"));
  CO_RETURN_IF_ERROR(co_await settle_folder(node.disk(), "/data/t-0"));
  CO_ASSIGN_OR_RETURN(auto log, co_await Log::open(rig.ports(), rig.params));
  auto done = co_await compare(*log, synced);
  co_await log->abandon();
  if (!done) co_return done;
  std::string problem;
  CO_RETURN_IF_ERROR(co_await inspect(
      node.disk(), "/data/t-0", {.verify = true},
      {.on_problem = [&](const std::string& path,
                         const std::string& what) { problem = path + ": " + what; }},
      rig.memory));
  if (!problem.empty()) co_return fail(Errc::internal, problem);
  co_return Result<>{};
}

TEST(CompactorCrash, IsDoneOrUndoneWhereverThePowerFails) {
  const auto report = sim::enumerate_crashes<int>(
      {script, check}, {.random_crashes = 2, .nested = 1, .states_max = 3000});
  std::printf("%s\n", report.to_string().c_str());
  EXPECT_TRUE(report.failures.empty());
  EXPECT_GT(report.states, 100u);
}

TEST(CompactorCrash, SurvivesEveryFailingDiskCall) {
  const auto report = sim::fail_each_call<int>({script, check});
  std::printf("%s\n", report.to_string().c_str());
  EXPECT_TRUE(report.failures.empty());
  EXPECT_GT(report.faults, 100u);
}

}  // namespace
}  // namespace sluice::storage
