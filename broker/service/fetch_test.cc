#include "broker/service/fetch.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/broker_world.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

class FetchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.start().has_value());
    topic_ = *world_.create("orders", 3);
    session_.emplace(budget_, 4);
  }
  FetchTarget at(int32_t partition, int64_t offset) {
    return {.key = {topic_, PartitionId{partition}},
            .offset = Offset{offset},
            .max_bytes = 1'000'000,
            .leader_epoch = {},
            .last_fetched_epoch = {}};
  }
  struct Call {
    uint32_t epoch = 0;
    std::vector<FetchTarget> targets;
    Duration max_wait{0};
    size_t min_bytes = 1;
    size_t max_bytes = 1'000'000;
    std::vector<PartitionKey> forgotten = {};
    std::optional<ReplicaIdentity> replica = std::nullopt;
    std::vector<FetchedPartition> answer = {};
    std::optional<Result<>> outcome = std::nullopt;
  };
  io::Task<void> serve(Call& call) {
    const FetchRequest request{.principal = world_.principal(),
                               .session_epoch = call.epoch,
                               .partitions = call.targets,
                               .forgotten = call.forgotten,
                               .max_wait = call.max_wait,
                               .min_bytes = call.min_bytes,
                               .max_bytes = call.max_bytes,
                               .replica = call.replica};
    call.outcome = co_await world_.services().fetch.fetch(*session_, request, call.answer);
  }
  Call fetch(Call call) {
    world_.run(serve(call));
    EXPECT_TRUE(call.outcome->has_value());
    return call;
  }
  void begin(Call& call) {
    world_.simulator().start_on(world_.machine().executor().worker(1), serve(call));
  }
  bool answered(Call& call, Duration within) {
    return world_.simulator().run_until([&] { return call.outcome.has_value(); }, within);
  }

  std::shared_ptr<Partition> partition(int32_t id) {
    return world_.node().partitions().find({topic_, PartitionId{id}});
  }
  /// Leads beside broker 2, in epoch 5.
  Result<> lead(int32_t id) {
    const NodeId self = partition(id)->leadership().leader;
    const PartitionImage image{.replicas = {self, NodeId{2}},
                               .in_sync = {self},
                               .leader = self,
                               .leader_epoch = LeaderEpoch{5}};
    return world_.run(partition(id)->lead(image, world_.machine().executor().worker(0).now()));
  }

  testing::BrokerWorld world_;
  MemoryBudget budget_{"sessions", 1_MiB};
  Uuid topic_;
  std::optional<FetchSession> session_;
};

TEST_F(FetchTest, AnswersWithWhatIsThere) {
  ASSERT_FALSE(world_.produce(topic_, "one").error);
  const Call call = fetch({.targets = {at(0, 0), at(1, 0)}});
  ASSERT_EQ(call.answer.size(), 2u);
  EXPECT_GT(call.answer[0].slice.length, 0u);
  EXPECT_EQ(call.answer[0].high_watermark, Offset{1});
  EXPECT_EQ(call.answer[1].slice.length, 0u);
}

TEST_F(FetchTest, LaterAnswersNameOnlyWhatChanged) {
  fetch({.targets = {at(0, 0), at(1, 0), at(2, 0)}});
  EXPECT_TRUE(fetch({.epoch = 1}).answer.empty());
  ASSERT_FALSE(world_.produce(topic_, "one").error);
  const Call call = fetch({.epoch = 2});
  ASSERT_EQ(call.answer.size(), 1u);
  EXPECT_EQ(call.answer[0].key.partition, PartitionId{0});
  // Not moved on: it is given again.
  EXPECT_EQ(fetch({.epoch = 3}).answer.size(), 1u);
  EXPECT_TRUE(fetch({.epoch = 4, .targets = {at(0, 1)}}).answer.empty());
}

TEST_F(FetchTest, WaitsForRecordsAndIsWokenByThem) {
  Call call{.targets = {at(0, 0), at(1, 0)}, .max_wait = 10s};
  begin(call);
  EXPECT_FALSE(answered(call, 1s));
  ASSERT_FALSE(world_.produce(topic_, "one").error);
  EXPECT_TRUE(answered(call, 1s));
  EXPECT_GT(call.answer.at(0).slice.length, 0u);
}

TEST_F(FetchTest, SleepsUntilThereAreMinBytes) {
  Call call{.targets = {at(0, 0)}, .max_wait = 10s, .min_bytes = 200};
  begin(call);
  ASSERT_FALSE(world_.produce(topic_, "one").error);
  EXPECT_FALSE(answered(call, 1s));
  for (int i = 0; i < 5; ++i) ASSERT_FALSE(world_.produce(topic_, "more").error);
  EXPECT_TRUE(answered(call, 1s));
  EXPECT_GE(call.answer.at(0).slice.length, 200u);
}

TEST_F(FetchTest, GivesWhatThereIsWhenTheTimeIsUp) {
  Call call{.targets = {at(0, 0)}, .max_wait = 2s, .min_bytes = 1'000'000};
  begin(call);
  ASSERT_FALSE(world_.produce(topic_, "one").error);
  EXPECT_FALSE(answered(call, 1900ms));
  EXPECT_TRUE(answered(call, 200ms));
  EXPECT_GT(call.answer.at(0).slice.length, 0u);
}

TEST_F(FetchTest, AnErrorAnswersAtOnce) {
  Call call{.targets = {at(0, 0), at(1, 5)}, .max_wait = 10s};
  begin(call);
  EXPECT_TRUE(answered(call, 1s));
  const FetchedPartition& refused = call.answer.back();
  EXPECT_EQ(refused.error->code(), Errc::offset_out_of_range);
  EXPECT_NE(refused.error->message().find("orders-1"), std::string_view::npos);
}

TEST_F(FetchTest, AFetchThatWaitsIsToldWhenItsTopicGoes) {
  Call call{.targets = {at(0, 0)}, .max_wait = 10s};
  begin(call);
  ASSERT_FALSE(answered(call, 1s));
  ASSERT_TRUE(world_.run(world_.services().topics.remove({}, {.id = topic_, .name = {}})));
  EXPECT_TRUE(answered(call, 1s));
  EXPECT_EQ(call.answer.at(0).error->code(), Errc::unknown_topic_id);
}

TEST_F(FetchTest, CancelEndsAFetchThatWaits) {
  Call call{.targets = {at(0, 0)}, .max_wait = 10s};
  begin(call);
  ASSERT_FALSE(answered(call, 1s));
  const auto cancel = [](FetchSession& session) -> io::Task<void> {
    session.cancel();
    co_return;
  };
  world_.simulator().start_on(world_.machine().executor().worker(1), cancel(*session_));
  EXPECT_TRUE(answered(call, 1s));
  EXPECT_EQ(call.outcome->error().code(), Errc::cancelled);
}

TEST_F(FetchTest, RefusesAWrongEpochAndTooManyPartitions) {
  Call wrong{.epoch = 1};
  world_.run(serve(wrong));
  EXPECT_EQ(wrong.outcome->error().code(), Errc::unknown_session);
  Call many{.targets = {at(0, 0), at(1, 0), at(2, 0), at(3, 0), at(4, 0)}};
  world_.run(serve(many));
  EXPECT_EQ(many.outcome->error().code(), Errc::too_many);
}

TEST_F(FetchTest, TakesTurnsWhenNotEverythingFits) {
  std::vector<FetchTarget> targets = {at(0, 0), at(1, 0), at(2, 0)};
  for (int32_t partition = 0; partition < 3; ++partition) {
    ASSERT_FALSE(world_.produce(topic_, "value", Acks::all, partition).error);
  }
  std::vector<int32_t> served;
  for (uint32_t epoch = 0; epoch < 3; ++epoch) {
    const Call call =
        fetch({.epoch = epoch, .targets = std::exchange(targets, {}), .max_bytes = 1});
    for (const FetchedPartition& fetched : call.answer) {
      if (fetched.slice.length > 0) served.push_back(fetched.key.partition.value());
    }
  }
  EXPECT_EQ(served, (std::vector<int32_t>{0, 1, 2}));
}

TEST_F(FetchTest, APartitionThatIsNotHereIsRefusedOnceAndTakesNoSlot) {
  const Uuid ghost;
  FetchTarget target = at(0, 0);
  target.key.topic_id = ghost;
  const Call call = fetch({.targets = {target}});
  ASSERT_EQ(call.answer.size(), 1u);
  EXPECT_EQ(call.answer[0].error->code(), Errc::unknown_topic_id);
  EXPECT_NE(call.answer[0].error->message().find(ghost.text()), std::string_view::npos);
  EXPECT_EQ(session_->size(), 0u);
  EXPECT_EQ(budget_.used(), 0u);
  EXPECT_TRUE(fetch({.epoch = 1}).answer.empty());
  EXPECT_EQ(fetch({.epoch = 2, .targets = {target}}).answer.size(), 1u);
}

TEST_F(FetchTest, APartitionThatWentIsRefusedOnceAndGivesItsSlotBack) {
  fetch({.targets = {at(0, 0)}});
  ASSERT_TRUE(world_.run(world_.services().topics.remove({}, {.id = topic_, .name = {}})));
  EXPECT_EQ(fetch({.epoch = 1}).answer.size(), 1u);
  EXPECT_EQ(budget_.used(), 0u);
  EXPECT_TRUE(fetch({.epoch = 2}).answer.empty());
}

TEST_F(FetchTest, AReplicaThatAsksWhileItsLeaderBeginsToLeadIsTakenNoteOf) {
  ASSERT_FALSE(world_.produce(topic_, "one").error);
  ASSERT_FALSE(world_.produce(topic_, "two").error);
  // From here on it is looked up on the disk where a batch is.
  ASSERT_TRUE(world_.stop().has_value());
  ASSERT_TRUE(world_.start().has_value());
  world_.machine().disk().set_latency(sim::DiskOp::read, 10ms, 10ms);
  const NodeId self = partition(1)->leadership().leader;
  for (const int32_t id : {0, 1}) ASSERT_TRUE(lead(id).has_value());
  world_.run(partition(1)->follow({NodeId{2}, LeaderEpoch{5}}));
  Call call{.targets = {at(0, 1), at(1, 0)}, .replica = ReplicaIdentity{NodeId{2}, 1}};
  for (FetchTarget& target : call.targets) target.leader_epoch = LeaderEpoch{5};
  begin(call);
  ASSERT_TRUE(world_.simulator().run_until([&] { return session_->size() == 2; }, 1s));
  ASSERT_FALSE(call.outcome) << "the first partition is read, the second one's turn is next";
  const PartitionImage image{.replicas = {self, NodeId{2}},
                             .in_sync = {self},
                             .leader = self,
                             .leader_epoch = LeaderEpoch{5}};
  bool leads = false;
  const auto take_over = [](Partition& of, PartitionImage as, bool& done) -> io::Task<void> {
    static_cast<void>(co_await of.lead(std::move(as), io::Loop::current()->now()));
    done = true;
  };
  world_.simulator().start_on(world_.machine().executor().worker(1),
                              take_over(*partition(1), image, leads));
  ASSERT_TRUE(world_.simulator().run_until([&] { return leads; }, 1s));
  ASSERT_FALSE(call.outcome);
  ASSERT_TRUE(answered(call, 1s));
  for (const FetchedPartition& fetched : call.answer) EXPECT_FALSE(fetched.error);
  EXPECT_EQ(partition(1)->followers(TimePoint{}).at(0).log_end, Offset{0});
}

TEST_F(FetchTest, AfterTheLastEpochComesOneBecauseZeroBeginsASession) {
  EXPECT_EQ(FetchSession::epoch_after(0), 1u);
  EXPECT_EQ(FetchSession::epoch_after(4'294'967'294), 4'294'967'295);
  EXPECT_EQ(FetchSession::epoch_after(4'294'967'295), 1u);
}

TEST_F(FetchTest, SlotsAreChargedAndGivenBack) {
  fetch({.targets = {at(0, 0), at(1, 0)}});
  EXPECT_EQ(budget_.used(), 2 * FetchSession::kBytesPerSlot);
  fetch({.epoch = 1, .targets = {}, .forgotten = {{topic_, PartitionId{0}}}});
  EXPECT_EQ(budget_.used(), FetchSession::kBytesPerSlot);
  EXPECT_GE(FetchSession::kBytesPerSlot, sizeof(FetchSlot));
  session_.reset();
  EXPECT_EQ(budget_.used(), 0u);
}

}  // namespace
}  // namespace sluice::broker
