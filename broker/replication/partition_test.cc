#include "broker/replication/partition.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/broker_world.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

/// A partition over a log on a simulated disk.
class PartitionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.open().has_value());
    log_ = *world_.create("t");
  }
  void TearDown() override {
    partition_->stop(Error(Errc::shutting_down));
    world_.run(partition_->close());
    partition_.reset();
    log_.reset();
  }
  void make(storage::FlushPolicy flush = storage::FlushPolicy::none) {
    storage::LogOptions options;
    options.flush = flush;
    log_->set_options(options);
    partition_ = std::make_unique<Partition>(PartitionKey{}, log_, PartitionPorts{NodeId{1}});
    const PartitionImage alone{.replicas = {NodeId{1}},
                               .in_sync = {NodeId{1}},
                               .leader = NodeId{1},
                               .leader_epoch = LeaderEpoch{3}};
    ASSERT_TRUE(world_.run(partition_->lead(alone, TimePoint{})).has_value());
  }
  Result<storage::Appended> append(std::optional<LeaderEpoch> expected = {}) {
    auto batch = testing::batch_of({{.key = "k", .value = "v"}});
    return world_.run(partition_->append(batch, expected, Timestamp{5000}));
  }
  /// Waits on the control loop; the outcome when it came.
  std::shared_ptr<std::optional<Result<>>> wait_for(Offset end, Duration timeout) {
    auto outcome = std::make_shared<std::optional<Result<>>>();
    auto& loop = world_.control();
    world_.simulator().start_on(loop,
                                [](Partition& partition, Offset until, Duration limit,
                                   std::shared_ptr<std::optional<Result<>>> to) -> io::Task<void> {
                                  to->emplace(co_await partition.committed(
                                      until, LeaderEpoch{3}, io::Loop::current()->now() + limit));
                                }(*partition_, end, timeout, outcome));
    return outcome;
  }

  testing::LogSetWorld world_;
  std::shared_ptr<storage::Log> log_;
  std::unique_ptr<Partition> partition_;
};

struct CountingWatcher final : Watcher {
  void moved(uint64_t more, Wakes&) override {
    ++moves;
    bytes += more;
  }
  int moves = 0;
  uint64_t bytes = 0;
};

TEST_F(PartitionTest, WithoutFlushTheHighWatermarkIsTheLogEnd) {
  make();
  ASSERT_TRUE(append());
  EXPECT_EQ(partition_->high_watermark(), Offset{1});
  EXPECT_EQ(partition_->receipt(Offset{1}).level, Receipt::Level::written);
  EXPECT_EQ(log_->high_watermark(), Offset{1});
}

TEST_F(PartitionTest, WithFlushOfEveryAppendTheHighWatermarkIsTheSyncedEnd) {
  make(storage::FlushPolicy::every);
  world_.disk().set_latency(sim::DiskOp::sync, 5ms, 5ms);
  ASSERT_TRUE(append());
  EXPECT_EQ(partition_->high_watermark(), Offset{0});
  const auto waits = wait_for(Offset{1}, 1s);
  EXPECT_TRUE(world_.simulator().run_until([&] { return waits->has_value(); }, 1s));
  EXPECT_TRUE(waits->value().has_value());
  EXPECT_EQ(partition_->high_watermark(), Offset{1});
  EXPECT_EQ(partition_->receipt(Offset{1}).level, Receipt::Level::synced);
}

TEST_F(PartitionTest, ManyAppendsShareOneFlush) {
  make(storage::FlushPolicy::every);
  world_.disk().set_latency(sim::DiskOp::sync, 5ms, 5ms);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(append());
  int syncs = 0;
  world_.disk().set_observer(
      [&](const sim::DiskCall& call, bool done) { syncs += done && call.op == sim::DiskOp::sync; });
  const auto waits = wait_for(Offset{50}, 1s);
  EXPECT_TRUE(world_.simulator().run_until([&] { return waits->has_value(); }, 1s));
  world_.disk().set_observer({});
  EXPECT_LE(syncs, 3);
}

TEST_F(PartitionTest, AnAcknowledgementThatDoesNotComeTimesOut) {
  make();
  const auto waits = wait_for(Offset{1}, 100ms);
  EXPECT_FALSE(world_.simulator().run_until([&] { return waits->has_value(); }, 99ms));
  EXPECT_TRUE(world_.simulator().run_until([&] { return waits->has_value(); }, 10ms));
  EXPECT_EQ(waits->value().error().code(), Errc::timed_out);
}

TEST_F(PartitionTest, WhoWaitsIsToldWhenThePartitionStops) {
  make();
  const auto waits = wait_for(Offset{1}, 100s);
  EXPECT_FALSE(world_.simulator().run_until([&] { return waits->has_value(); }, 1s));
  partition_->stop(Error(Errc::unknown_topic_id));
  EXPECT_TRUE(world_.simulator().run_until([&] { return waits->has_value(); }, 1s));
  EXPECT_EQ(waits->value().error().code(), Errc::unknown_topic_id);
  EXPECT_EQ(append().error().code(), Errc::unknown_topic_id);
}

TEST_F(PartitionTest, AFailedFlushFailsTheWaitersAndStopsThePartition) {
  make(storage::FlushPolicy::every);
  world_.disk().set_latency(sim::DiskOp::sync, 5ms, 5ms);
  world_.disk().fail_all(sim::DiskOp::sync, Errc::disk_failed);
  ASSERT_TRUE(append());
  const auto waits = wait_for(Offset{1}, 10s);
  EXPECT_TRUE(world_.simulator().run_until([&] { return waits->has_value(); }, 5s));
  EXPECT_FALSE(waits->value().has_value());
  EXPECT_NE(waits->value().error().code(), Errc::timed_out);
  EXPECT_FALSE(append());
  world_.disk().set_fault({});
}

TEST_F(PartitionTest, ChecksTheLeaderEpoch) {
  make();
  EXPECT_TRUE(append(LeaderEpoch{3}));
  EXPECT_EQ(append(LeaderEpoch{2}).error().code(), Errc::fenced_leader_epoch);
  EXPECT_EQ(append(LeaderEpoch{4}).error().code(), Errc::unknown_leader_epoch);
}

TEST_F(PartitionTest, WatchersAreToldOfEveryMoveUntilTheyLeave) {
  make();
  CountingWatcher watcher;
  ASSERT_TRUE(partition_->watch(watcher));
  ASSERT_TRUE(append());
  ASSERT_TRUE(append());
  EXPECT_EQ(watcher.moves, 2);
  EXPECT_GT(watcher.bytes, 120u);
  partition_->unwatch(watcher);
  ASSERT_TRUE(append());
  EXPECT_EQ(watcher.moves, 2);
  partition_->stop(Error(Errc::unknown_topic_id));
  EXPECT_FALSE(partition_->watch(watcher));
}

TEST_F(PartitionTest, ReadsNothingAtOrAboveTheHighWatermark) {
  make(storage::FlushPolicy::every);
  world_.disk().set_latency(sim::DiskOp::sync, 5ms, 5ms);
  ASSERT_TRUE(append());
  const auto early = world_.run(partition_->read(Offset{0}, 1000, true, {}));
  ASSERT_TRUE(early);
  EXPECT_EQ(early->slice.length, 0u);
  const auto waits = wait_for(Offset{1}, 1s);
  EXPECT_TRUE(world_.simulator().run_until([&] { return waits->has_value(); }, 1s));
  EXPECT_GT(world_.run(partition_->read(Offset{0}, 1000, true, {}))->slice.length, 0u);
  EXPECT_EQ(world_.run(partition_->read(Offset{1}, 1000, true, {}))->slice.length, 0u);
  EXPECT_EQ(world_.run(partition_->read(Offset{2}, 1000, true, {})).error().code(),
            Errc::offset_out_of_range);
}

}  // namespace
}  // namespace sluice::broker
