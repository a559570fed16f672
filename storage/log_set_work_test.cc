#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/log_set_world.h"

// What a log set does with its disks beside appends and reads.
namespace sluice::storage {
namespace {

using testing::KeyValue;

class LogSetWorkTest : public ::testing::Test {
 protected:
  void open() { ASSERT_TRUE(world_.open().has_value()); }
  std::shared_ptr<Log> create(const std::string& topic) {
    auto log = world_.create(topic, Uuid::random(random_));
    EXPECT_TRUE(log.has_value()) << log.error().message();
    return log.value_or(nullptr);
  }
  /// Starts a task on the control loop; whether it ended is told by `done`.
  void start(io::Task<Result<>> task, bool& done) {
    world_.simulator().start_on(world_.control(),
                                [](io::Task<Result<>> work, bool& ended) -> io::Task<void> {
                                  static_cast<void>(co_await std::move(work));
                                  ended = true;
                                }(std::move(task), done));
  }

  SeededRandom random_{1};
  testing::LogSetWorld world_;
};

TEST_F(LogSetWorkTest, RemovesTheFilesOfALogOneByOneBehindItsCheckpoints) {
  open();
  world_.set().start();
  auto log = create("t");
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(world_.append(*log, {{"a", "1"}}).has_value());
    ASSERT_TRUE(world_.run(log->roll()));
  }
  log->set_high_watermark(Offset(5));
  ASSERT_TRUE(world_.run(world_.set().delete_records(log->partition(), Offset(1))));
  log.reset();
  std::vector<sim::DiskOp> order;
  world_.disk().set_observer([&](const sim::DiskCall& call, bool done) {
    const bool folder = call.path.find("-delete") != std::string::npos;
    const bool noted = call.path.find("synced-end-checkpoint") != std::string::npos;
    if (done && (folder || noted)) order.push_back(call.op);
    // Each within the time that one operation has.
    if (call.op == sim::DiskOp::remove_directory && !done)
      EXPECT_TRUE(world_.disk().image().list(call.path)->empty());
  });
  ASSERT_TRUE(world_.run(world_.set().remove({"t", PartitionId(0)})).has_value());
  world_.simulator().run_for(2s);
  world_.disk().set_observer({});
  using sim::DiskOp;
  const auto removal = std::ranges::find(order, DiskOp::remove);
  EXPECT_GT(std::ranges::count(order, DiskOp::remove), 10);
  EXPECT_EQ(order.front(), DiskOp::rename);
  EXPECT_EQ(std::ranges::count(order.begin(), removal, DiskOp::rename), 2) << "log, checkpoint";
  EXPECT_EQ(order.back(), DiskOp::remove_directory);
}

TEST_F(LogSetWorkTest, ARemovalWaitsForTheSyncUnderWay) {
  open();
  auto log = create("t");
  ASSERT_TRUE(world_.append(*log, {{"a", "1"}}).has_value());
  world_.disk().set_latency(sim::DiskOp::sync, 100ms, 100ms);
  world_.disk().set_latency(sim::DiskOp::sync_directory, 100ms, 100ms);
  bool synced = false;
  start(log->sync_to(Offset(1)), synced);
  EXPECT_TRUE(world_.run(world_.set().remove({"t", PartitionId(0)})).has_value());
  EXPECT_TRUE(synced);
  EXPECT_EQ(world_.run(log->sync_to(Offset(2))).error().code(), Errc::shutting_down);
  EXPECT_TRUE(world_.went_offline.empty());
  log.reset();
}

TEST_F(LogSetWorkTest, ADeviceThatHangsHoldsUpOnlyItsOwnFlushes) {
  world_.directories = {"/one", "/two"};
  world_.log_options.flush = FlushPolicy::interval;
  world_.log_options.flush_interval_ms = 200ms;
  open();
  world_.set().start();
  const auto slow = create("a");
  const auto other = create("b");
  ASSERT_NE(slow->directory(), other->directory());
  world_.simulator().run_for(2s);
  ASSERT_TRUE(world_.append(*slow, {{"a", "1"}}).has_value());
  world_.disk().set_latency(sim::DiskOp::sync, 5s, 5s);
  world_.simulator().run_for(500ms);
  world_.disk().set_latency(sim::DiskOp::sync, Duration{}, Duration{});
  ASSERT_TRUE(world_.append(*other, {{"b", "1"}}).has_value());
  world_.simulator().run_for(500ms);
  EXPECT_EQ(slow->ends().synced_end, Offset(0));
  EXPECT_EQ(other->ends().synced_end, Offset(1));
  world_.simulator().run_for(10s);
  EXPECT_EQ(slow->ends().synced_end, Offset(1));
}

TEST_F(LogSetWorkTest, LogsThatNeverFlushAreSyncedWhenTooManyFilesAreOpen) {
  world_.max_open_files = 4;
  open();
  world_.set().start();
  std::vector<std::shared_ptr<Log>> logs;
  for (int i = 0; i < 10; ++i) {
    logs.push_back(create("t" + std::to_string(i)));
    ASSERT_TRUE(world_.append(*logs.back(), {{"a", "1"}}).has_value());
  }
  world_.simulator().run_for(4s);
  for (const auto& log : logs) EXPECT_EQ(log->ends().synced_end, Offset(1));
}

TEST_F(LogSetWorkTest, WhatHasToBePackedDoesNotHoldUpTheLoop) {
  world_.log_options.compression = TopicCompression::lz4;
  open();
  const auto log = create("t");
  auto large = testing::batch_of({{"large", std::string(64_KiB, 'v')}});
  auto small = testing::batch_of({{"small", "v"}});
  Appended first, second;
  const auto append = [&](std::vector<std::byte>& batch, Appended& to) -> io::Task<void> {
    to = *co_await log->append({.batch = batch, .now = Timestamp(5000)});
  };
  world_.run([](io::Task<void> one, io::Task<void> other) -> io::Task<void> {
    io::Scope both;
    both.start(std::move(one));
    both.start(std::move(other));
    co_await both.join();
  }(append(large, first), append(small, second)));
  EXPECT_EQ(second.base_offset, Offset(0)) << "it went ahead while the large one was packed";
  EXPECT_EQ(first.base_offset, Offset(1));
}

TEST_F(LogSetWorkTest, ACheckFindsWhatHappenedToAFileOfARunningLog) {
  open();
  const auto log = create("t");
  const auto well = create("u");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(world_.append(*log, {{"a", "1"}}).has_value());
  ASSERT_TRUE(world_.append(*well, {{"a", "1"}}).has_value());
  const std::string path = "/data/t-0/00000000000000000000.log";
  world_.set().check(path);
  world_.simulator().run_for(1s);
  EXPECT_FALSE(log->damage());
  auto file = *world_.run(world_.disk().open(path, io::OpenMode::write));
  const uint64_t last = *file->size() - 1;
  const std::byte wrong{0x55};
  const ByteView bytes(&wrong, 1);
  ASSERT_TRUE(world_.run(file->write_at(last, std::span(&bytes, 1), io::Lane::hot)));
  world_.set().check(path);
  world_.simulator().run_for(1s);
  ASSERT_TRUE(log->damage());
  EXPECT_THAT(*log->damage(), ::testing::HasSubstr(path));
  EXPECT_FALSE(well->damage());
  const auto refused = world_.append(*log, {{"a", "1"}});
  EXPECT_EQ(refused.error().code(), Errc::partition_corrupt);
  EXPECT_THAT(std::string(refused.error().message()),
              ::testing::AllOf(::testing::HasSubstr("t-0"), ::testing::HasSubstr("fails its"),
                               ::testing::HasSubstr("log dump --verify")));
}

}  // namespace
}  // namespace sluice::storage
