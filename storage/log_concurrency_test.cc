#include <algorithm>

#include <gtest/gtest.h>

#include "storage/log_fixture.h"

// Several loops and a slow disk: what overlaps in a log.
namespace sluice::storage {
namespace {

class LogConcurrencyTest : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.create());
    ASSERT_TRUE(world_.run(log().start_epoch(LeaderEpoch(0))));
    world_.disk().set_latency(Duration::zero(), std::chrono::milliseconds(2));
  }
  Log& log() { return world_.log(); }
  io::Loop& worker(size_t index) { return world_.node().runtime().executor.worker(index % 2); }

  io::Task<void> append_some(int count, ProducerId producer) {
    for (int i = 0; i < count; ++i) {
      auto batch =
          make_batch({.producer = producer, .producer_epoch = ProducerEpoch(0), .sequence = i});
      const auto appended = co_await log().append(
          {.batch = batch, .leader_epoch = LeaderEpoch(0), .now = Timestamp(1)});
      EXPECT_TRUE(appended) << appended.error().message();
      if (appended) offsets_.push_back(appended->base_offset.value());
    }
    ++done_;
  }
  io::Task<void> sync_often(int count) {
    for (int i = 0; i < count; ++i) {
      const Offset end = log().ends().end;
      const auto synced = co_await log().sync_to(end);
      EXPECT_TRUE(synced) << synced.error().message();
      EXPECT_GE(log().ends().synced_end, end);
      co_await io::sleep_for(std::chrono::milliseconds(1));
    }
    ++done_;
  }
  io::Task<void> truncate_often(int count) {
    for (int i = 0; i < count; ++i) {
      const int64_t end = log().ends().end.value();
      EXPECT_TRUE(co_await log().truncate_to(Offset(std::max<int64_t>(end - 3, 1))));
      co_await io::sleep_for(std::chrono::milliseconds(3));
    }
    ++done_;
  }
  io::Task<void> read_along() {
    Offset at{0};
    while (at < Offset(100)) {
      const Offset end = log().ends().end;
      const auto read = co_await log().read({.from = at, .bound = end, .max_bytes = 500});
      EXPECT_TRUE(read) << read.error().message();
      if (!read) break;
      std::vector<std::byte> bytes(read->slice.length);
      if (!bytes.empty()) {
        EXPECT_TRUE(co_await read->slice.file->read_at(read->slice.position, bytes, io::Lane::hot));
      }
      record::BatchCursor cursor(bytes);
      for (auto batch = cursor.next(); batch && *batch; batch = cursor.next()) {
        EXPECT_TRUE((*batch)->crc_matches());
        at = (*batch)->header().next_offset();
      }
      co_await io::sleep_for(std::chrono::microseconds(300));
    }
    ++done_;
  }
  void wait_for(int tasks) {
    EXPECT_TRUE(world_.simulator().run_until([&] { return done_ == tasks; }, 60s));
  }

  LogWorld world_{{}, GetParam()};
  std::vector<int64_t> offsets_;
  int done_ = 0;
};

TEST_P(LogConcurrencyTest, AppendsOfManyGetDenseOffsets) {
  for (int i = 0; i < 10; ++i) {
    world_.simulator().start_on(worker(i), append_some(10, ProducerId(i)));
  }
  world_.simulator().start_on(worker(0), sync_often(20));
  world_.simulator().start_on(worker(1), read_along());
  wait_for(12);
  std::sort(offsets_.begin(), offsets_.end());
  for (size_t i = 0; i < offsets_.size(); ++i) {
    EXPECT_EQ(offsets_[i], static_cast<int64_t>(i));
  }
  EXPECT_EQ(world_.read_all().size(), 100u);
}

TEST_P(LogConcurrencyTest, WaitingAppendsShareWrites) {
  uint64_t writes = 0;
  world_.disk().set_observer([&](const sim::DiskCall& call, bool done) {
    writes += done && call.op == sim::DiskOp::write && call.path.ends_with(".log") ? 1 : 0;
  });
  for (int i = 0; i < 20; ++i) {
    world_.simulator().start_on(worker(i), append_some(1, ProducerId(i)));
  }
  wait_for(20);
  EXPECT_LE(writes, 6u);
  EXPECT_EQ(log().ends().end, Offset(20));
}

TEST_P(LogConcurrencyTest, TruncationsAndAppendsTakeTurns) {
  ASSERT_TRUE(world_.append());
  for (int i = 0; i < 3; ++i) {
    world_.simulator().start_on(worker(i), append_some(20, kNoProducerId));
  }
  world_.simulator().start_on(worker(1), truncate_often(10));
  wait_for(4);
  const auto batches = world_.read_all();
  for (size_t i = 0; i < batches.size(); ++i) EXPECT_EQ(batches[i], static_cast<int64_t>(i));
  EXPECT_FALSE(log().damage());
}

INSTANTIATE_TEST_SUITE_P(Seeds, LogConcurrencyTest, testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace sluice::storage
