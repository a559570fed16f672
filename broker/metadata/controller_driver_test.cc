#include "broker/metadata/controller_driver.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/metadata/elections.h"
#include "broker/metadata/raft_log.h"
#include "tests/sim/simulator.h"
#include "tests/support/cluster_images.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;
using testing::nodes;
using testing::partition_of;
using testing::topic_id;

/// A driver over a log of its own; the other brokers are what the test says in their name.
class ControllerDriverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = run(RaftLog::open({.disk = node_.disk(),
                                     .control = control(),
                                     .random = random_,
                                     .log = Logger(sink_),
                                     .subscriber = store_.subscriber(),
                                     .on_failed = [](const Error&) {}},
                                    "/metadata",
                                    {.self = NodeId{1}, .bootstrap = RaftBootstrap{{NodeId{1}}}}));
    ASSERT_TRUE(opened);
    log_ = std::move(*opened);
    store_.use(*log_);
  }
  void TearDown() override {
    run(driver_.stop());
    run(log_->close());
  }

  io::Loop& control() { return node_.executor().control(); }
  template <class T>
  T run(io::Task<T> task) {
    return simulator_.run_on(control(), std::move(task));
  }
  void lead() { lead_in(log_->status().term); }
  void lead_in(uint64_t term) {
    run([](ControllerDriver& driver, uint64_t of) -> io::Task<bool> {
      driver.on_role(true, of);
      co_return true;
    }(driver_, term));
  }
  void pass(Duration duration) { simulator_.run_for(duration); }
  Result<> commit(std::vector<cluster::MetadataRecord> records) {
    return run(store_.commit(std::move(records)));
  }
  void register_brokers(int32_t count) {
    std::vector<cluster::MetadataRecord> records;
    for (int32_t id = 1; id <= count; ++id) {
      auto& broker = *records.emplace_back().mutable_broker_registered();
      broker.set_node_id(id);
      broker.set_directory_id(testing::bytes_text(topic_id(static_cast<uint8_t>(id))));
    }
    ASSERT_TRUE(commit(std::move(records)));
  }
  Result<> create(const std::vector<PartitionImage>& partitions) {
    std::vector<cluster::MetadataRecord> records(1);
    auto& topic = *records.front().mutable_topic_created();
    topic.set_id(testing::bytes_text(topic_id(1)));
    topic.set_name("orders");
    for (const auto& partition : partitions) partition_to(partition, *topic.add_partitions());
    return commit(std::move(records));
  }
  static ClusterMember joining(int32_t id, uint8_t directory) {
    return {.cluster_name = "test",
            .node_id = NodeId{id},
            .directory_id = topic_id(directory),
            .address = {"b" + std::to_string(id), 9092},
            .cluster_id = "C"};
  }
  uint64_t epoch_of(int32_t id) { return store_.image()->broker(NodeId{id})->epoch; }
  Result<HeartbeatReply> beat(int32_t id) {
    const auto image = store_.image();
    return run(driver_.heartbeat({NodeId{id}, epoch_of(id), image->version, false}));
  }
  void live(Duration duration, std::initializer_list<int32_t> alive) {
    for (Duration passed{}; passed < duration; passed += 200ms) {
      for (const int32_t id : alive) ASSERT_TRUE(beat(id));
      pass(200ms);
    }
  }
  PartitionImage partition() { return store_.image()->topic(topic_id(1))->partitions.front(); }
  bool fenced(int32_t id) { return store_.image()->broker(NodeId{id})->fenced; }
  VotingGroup group() {
    const auto done = [this](std::string what) {
      return [this, what](NodeId id) -> io::Task<Result<>> {
        asked_.push_back(what + " " + std::to_string(id.value()));
        return io::Task<Result<>>::ready(Result<>{});
      };
    };
    return {.state = [this] { return state_; },
            .add_learner = done("add"),
            .promote = done("promote"),
            .remove = done("remove"),
            .transfer = done("transfer"),
            .directory_of = directory_of,
            .agreed_at = [this] { return agreed_at_; },
            .other_led_at = [this] { return other_led_at_; }};
  }

  /// Founders' that may not have registered.
  static std::optional<Uuid> directory_of(NodeId id) {
    return id == NodeId{2} ? std::optional(topic_id(2)) : std::nullopt;
  }

  NullSink sink_;
  sim::Simulator simulator_{1};
  sim::SimNode& node_ = simulator_.add_node("node");
  SeededRandom random_{1};
  TopicOptions defaults_;
  MetadataStore store_{random_};
  std::unique_ptr<RaftLog> log_;
  VotingGroup::State state_{.voters = nodes({1}), .learners = {}, .matched = {}, .last = 0};
  std::vector<std::string> asked_;
  TimePoint agreed_at_{};
  TimePoint other_led_at_ = TimePoint::min();
  ControllerDriver driver_{{store_, control(), Logger(sink_), defaults_, group()},
                           {.self = NodeId{1}}};
};

TEST_F(ControllerDriverTest, RefusesEverythingWhereItDoesNotLead) {
  register_brokers(2);
  const uint64_t before = store_.image()->version;
  EXPECT_EQ(beat(2).error().code(), Errc::not_controller);
  EXPECT_EQ(run(driver_.drain(NodeId{2}, false)).error().code(), Errc::not_controller);
  EXPECT_EQ(run(driver_.alter_in_sync(NodeId{1}, 1, {InSyncChange{}})).at(0).error().code(),
            Errc::not_controller);
  pass(5s);
  EXPECT_EQ(store_.image()->version, before);
}

TEST_F(ControllerDriverTest, UnfencesWhoIsHeardOfAndFencesWhoIsNot) {
  register_brokers(3);
  lead();
  live(600ms, {1, 2, 3});
  EXPECT_FALSE(fenced(2) || fenced(3));
  ASSERT_TRUE(create({partition_of(nodes({2, 3}))}));
  live(2s, {1, 3});
  EXPECT_TRUE(fenced(2));
  EXPECT_EQ(partition().leader, NodeId{3});
  EXPECT_EQ(partition().in_sync, nodes({3}));
}

TEST_F(ControllerDriverTest, AnswersSinceWhenItIsNotKnownToBeAgreedOn) {
  register_brokers(2);
  lead();
  agreed_at_ = control().now() - 300ms;
  const Duration ago = beat(2)->agreed_ago;
  EXPECT_GE(ago, 300ms);
  EXPECT_LT(ago, 310ms);
}

TEST_F(ControllerDriverTest, AfterAHandOverAllSessionsAreWhole) {
  register_brokers(2);
  lead();
  live(600ms, {1, 2});
  ASSERT_FALSE(fenced(2));
  other_led_at_ = control().now();
  lead();
  live(800ms, {1});
  EXPECT_FALSE(fenced(2));
  live(400ms, {1});
  EXPECT_TRUE(fenced(2));
}

TEST_F(ControllerDriverTest, CommitsTheInSyncSetThatALeaderAsksFor) {
  register_brokers(2);
  lead();
  live(600ms, {1, 2});
  ASSERT_TRUE(create({partition_of(nodes({1, 2}))}));
  const InSyncChange change{topic_id(1), PartitionId{0}, LeaderEpoch{0}, 0, nodes({1})};
  const auto epochs = run(driver_.alter_in_sync(NodeId{1}, epoch_of(1), {change}));
  ASSERT_TRUE(epochs.at(0));
  EXPECT_EQ(*epochs[0], 1u);
  EXPECT_EQ(partition().in_sync, nodes({1}));
}

TEST_F(ControllerDriverTest, MovesDrainsAndLetsGo) {
  register_brokers(3);
  state_ = {.voters = nodes({1, 2}), .learners = {}, .matched = {}, .last = 9};
  lead();
  live(600ms, {1, 2, 3});
  ASSERT_TRUE(create({partition_of(nodes({2}))}));
  const auto early = run(driver_.leave(NodeId{2}));
  EXPECT_EQ(early.error().code(), Errc::invalid_request);
  ASSERT_TRUE(run(driver_.drain(NodeId{2}, false)));
  live(600ms, {1, 2, 3});
  ASSERT_EQ(partition().adding.size(), 1u);
  const NodeId next = partition().adding.front();
  const InSyncChange change{topic_id(1),
                            PartitionId{0},
                            partition().leader_epoch,
                            partition().partition_epoch,
                            {NodeId{2}, next}};
  ASSERT_TRUE(run(driver_.alter_in_sync(NodeId{2}, epoch_of(2), {change})).at(0));
  EXPECT_EQ(partition().replicas, std::vector{next});
  ASSERT_TRUE(run(driver_.leave(NodeId{2})));
  EXPECT_EQ(asked_, std::vector<std::string>{"remove 2"});
  EXPECT_EQ(store_.image()->broker(NodeId{2}), nullptr);
}

TEST_F(ControllerDriverTest, TheLastVoterStaysAndAControllerThatLeavesHandsOver) {
  register_brokers(2);
  lead();
  live(600ms, {1, 2});
  EXPECT_EQ(run(driver_.leave(NodeId{1})).error().code(), Errc::invalid_request);
  EXPECT_EQ(run(driver_.leave(NodeId{7})).error().code(), Errc::not_found);
  state_.voters = nodes({1, 2});
  EXPECT_EQ(run(driver_.leave(NodeId{1})).error().code(), Errc::not_controller);
  EXPECT_EQ(asked_, std::vector<std::string>{"transfer 2"});
}

TEST_F(ControllerDriverTest, WhoJoinsIsALearnerAndBecomesAVoterWhenItHasTheLog) {
  register_brokers(2);
  lead();
  EXPECT_EQ(run(driver_.join(joining(2, 9), false)).error().code(), Errc::wrong_cluster);
  ASSERT_TRUE(run(driver_.join(joining(2, 2), false)));
  EXPECT_EQ(asked_, std::vector<std::string>{"add 2"});
  state_ = {
      .voters = nodes({1}), .learners = nodes({2}), .matched = {{NodeId{2}, 5}}, .last = 50'000};
  live(3s, {1, 2});
  EXPECT_EQ(asked_.size(), 1u);
  state_.matched[NodeId{2}] = 49'990;
  live(2s, {1, 2});
  EXPECT_EQ(asked_.at(1), "promote 2");
}

TEST_F(ControllerDriverTest, WhoJoinsIsRegisteredWhereItIsBeforeItIsSentAnything) {
  register_brokers(1);
  lead();
  ASSERT_TRUE(run(driver_.join(joining(4, 9), false)));
  const BrokerImage* joined = store_.image()->broker(NodeId{4});
  ASSERT_NE(joined, nullptr);
  EXPECT_EQ(joined->host, "b4");
  EXPECT_EQ(joined->port, 9092);
  EXPECT_TRUE(joined->fenced);
  EXPECT_EQ(asked_, std::vector<std::string>{"add 4"});
  const uint64_t epoch = epoch_of(4);
  ASSERT_TRUE(run(driver_.join(joining(4, 9), false)));
  EXPECT_EQ(epoch_of(4), epoch) << "asked again it has its place";
}

TEST_F(ControllerDriverTest, AMemberThatReturnsChangesNothingAndOneThatLeftIsToldSo) {
  register_brokers(2);
  lead();
  const auto refused = run(driver_.join(joining(2, 2), true));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::wrong_cluster);
  EXPECT_NE(refused.error().message().find("sluice cluster leave 2"), std::string::npos);
  state_.learners = nodes({2});
  const uint64_t epoch = epoch_of(2);
  EXPECT_TRUE(run(driver_.join(joining(2, 2), true)));
  EXPECT_EQ(epoch_of(2), epoch);
  EXPECT_TRUE(asked_.empty());
}

TEST_F(ControllerDriverTest, AWipedFounderIsRefusedWithBothIdsBeforeItEverRegistered) {
  register_brokers(1);
  lead();
  state_.voters = nodes({1, 2, 3});
  const auto refused = run(driver_.join(joining(2, 9), false));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::wrong_cluster);
  for (const uint8_t directory : {2, 9}) {
    EXPECT_NE(refused.error().message().find(topic_id(directory).text()), std::string::npos);
  }
  EXPECT_TRUE(run(driver_.join(joining(2, 2), false)));
  EXPECT_EQ(run(driver_.join(joining(3, 3), false)).error(), Errc::wrong_cluster)
      << "nobody vouches for it";
}

TEST_F(ControllerDriverTest, SixteenMayAskToJoinBeforeOneOfThemComes) {
  register_brokers(1);
  lead();
  const auto ask = [&](int id) {
    return run(driver_.join(joining(id, static_cast<uint8_t>(id)), false));
  };
  // Broker 1 is the sixteenth here: it has no incarnation either.
  for (int id = 11; id < 26; ++id) ASSERT_TRUE(ask(id)) << id;
  EXPECT_EQ(ask(26).error(), Errc::too_many);
  EXPECT_TRUE(ask(11)) << "who is among them may ask again";
  ASSERT_TRUE(run(driver_.leave(NodeId{11})));
  EXPECT_TRUE(ask(26));
}

TEST_F(ControllerDriverTest, WhoAskedToJoinAndDoesNotComeIsForgotten) {
  register_brokers(1);
  lead();
  ASSERT_TRUE(run(driver_.join(joining(4, 4), false)));
  ASSERT_TRUE(run(driver_.join(joining(5, 5), false)));
  state_.learners = nodes({4, 5});
  state_.matched = {{NodeId{5}, 1}};
  pass(9min);
  EXPECT_NE(store_.image()->broker(NodeId{4}), nullptr);
  pass(2min);
  EXPECT_EQ(store_.image()->broker(NodeId{4}), nullptr);
  EXPECT_NE(store_.image()->broker(NodeId{5}), nullptr) << "it has some of the log";
  EXPECT_EQ(asked_.back(), "remove 4");
}

TEST_F(ControllerDriverTest, AMemberThatNeverRegisteredCanLeave) {
  register_brokers(1);
  lead();
  state_.learners = nodes({7});
  EXPECT_TRUE(run(driver_.leave(NodeId{7})));
  EXPECT_EQ(asked_, std::vector<std::string>{"remove 7"});
  EXPECT_EQ(run(driver_.leave(NodeId{8})).error(), Errc::not_found);
}

TEST_F(ControllerDriverTest, WhatWasDecidedInATermThatIsOverIsNotCommitted) {
  register_brokers(2);
  lead_in(log_->status().term + 1);
  pass(3s);
  EXPECT_EQ(run(driver_.drain(NodeId{2}, false)).error(), Errc::not_controller);
  EXPECT_FALSE(store_.image()->broker(NodeId{2})->draining);
  lead();
  EXPECT_TRUE(run(driver_.drain(NodeId{2}, false)));
}

}  // namespace
}  // namespace sluice::broker
