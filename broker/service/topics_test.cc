#include "broker/service/topics.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/broker_world.h"

namespace sluice::broker {
namespace {

class TopicsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto usual = world.options;
    world.options = [this, usual] {
      BrokerOptions options = usual();
      options.topics.max_partitions = 20;
      options.topics.options.min_insync_replicas = min_in_sync_;
      return options;
    };
    ASSERT_TRUE(world.start().has_value());
  }
  Topics& topics() { return world.services().topics; }
  Error refusal(CreateTopic request) {
    auto created = world.run(topics().create({}, std::move(request)));
    EXPECT_FALSE(created.has_value());
    return created ? Error(Errc::internal) : std::move(created).error();
  }
  static bool says(const Error& error, std::string_view text) {
    return error.message().find(text) != std::string_view::npos;
  }

  testing::BrokerWorld world;
  int32_t min_in_sync_ = 1;
};

class TopicsOfAStrictBroker : public TopicsTest {
 protected:
  TopicsOfAStrictBroker() { min_in_sync_ = 2; }
};

TEST_F(TopicsTest, DescribesWhatWasCreated) {
  const Uuid id = *world.create("orders", 3, {{"segment.bytes", "1048576"}});
  const auto described = world.run(topics().describe({}, {.id = {}, .name = "orders"}));
  ASSERT_TRUE(described);
  EXPECT_EQ(described->id, id);
  ASSERT_EQ(described->partitions.size(), 3u);
  EXPECT_EQ(described->partitions[2].leadership, (Leadership{NodeId{1}, LeaderEpoch{0}}));
  EXPECT_EQ(described->partitions[2].status.high_watermark, Offset{0});
  EXPECT_EQ(described->partitions[2].status.problem, "");
}

TEST_F(TopicsTest, ValidateOnlyCreatesNothing) {
  ASSERT_TRUE(world.run(topics().create({}, {.name = "orders", .validate_only = true})));
  EXPECT_FALSE(world.node().metadata().image()->topic("orders"));
}

TEST_F(TopicsTest, RefusesATopicThatExistsOrCollides) {
  ASSERT_TRUE(world.create("a.b"));
  EXPECT_EQ(refusal({.name = "a.b"}).code(), Errc::topic_exists);
  const Error collision = refusal({.name = "a_b"});
  EXPECT_EQ(collision.code(), Errc::invalid_topic_name);
  EXPECT_TRUE(says(collision, "a.b")) << collision.message();
}

TEST_F(TopicsTest, OfTwoThatCreateTheSameNameOneWins) {
  auto& control = world.machine().executor().control();
  int created = 0;
  int refused = 0;
  const auto create = [&]() -> io::Task<void> {
    auto outcome = co_await world.services().topics.create({}, {.name = "orders"});
    (outcome ? created : refused) += 1;
    if (!outcome) EXPECT_EQ(outcome.error().code(), Errc::topic_exists);
  };
  world.simulator().start_on(control, create());
  world.simulator().start_on(world.machine().executor().worker(1), create());
  EXPECT_TRUE(world.simulator().run_until([&] { return created + refused == 2; },
                                          std::chrono::seconds(10)));
  EXPECT_EQ(created, 1);
}

TEST_F(TopicsTest, RefusesMorePartitionsThanTheBrokerTakes) {
  ASSERT_TRUE(world.create("orders", 15));
  const Error error = refusal({.name = "more", .partitions = 6});
  EXPECT_EQ(error.code(), Errc::too_many);
  EXPECT_TRUE(says(error, "max.partitions")) << error.message();
  EXPECT_TRUE(world.create("fits", 5));
  EXPECT_EQ(refusal({.name = "huge", .partitions = 4'000'000'000}).code(), Errc::too_many);
}

TEST_F(TopicsTest, ManyWhoAskAtOnceDoNotGetMorePartitionsThanTheBrokerTakes) {
  const Uuid orders = *world.create("orders", 2);
  int done = 0;
  const auto create = [&](std::string name) -> io::Task<void> {
    (void)co_await topics().create({}, {.name = std::move(name), .partitions = 12});
    ++done;
  };
  const auto add = [&]() -> io::Task<void> {
    (void)co_await topics().add_partitions({}, {{.id = orders, .name = {}}, 12});
    ++done;
  };
  auto& executor = world.machine().executor();
  world.simulator().start_on(executor.control(), create("one"));
  world.simulator().start_on(executor.worker(1), create("two"));
  world.simulator().start_on(executor.worker(0), add());
  ASSERT_TRUE(world.simulator().run_until([&] { return done == 3; }, std::chrono::seconds(10)));
  EXPECT_LE(world.node().metadata().image()->partitions, 20u);
  EXPECT_GE(world.node().metadata().image()->partitions, 12u);
}

TEST_F(TopicsTest, RefusesMoreReplicasThanBrokers) {
  const Error error = refusal({.name = "orders", .replication_factor = 3});
  EXPECT_EQ(error.code(), Errc::invalid_replication);
  EXPECT_EQ(error.message(),
            "replication factor 3 needs 3 brokers, 1 is there; start more or use a replication "
            "factor of 1");
}

TEST_F(TopicsTest, RefusesBadConfigs) {
  EXPECT_EQ(refusal({.name = "t", .configs = {{"retention.msx", "1"}}}).code(),
            Errc::invalid_config);
  EXPECT_EQ(refusal({.name = "t", .configs = {{"flush", "x"}}}).code(), Errc::invalid_config);
  EXPECT_EQ(refusal({.name = "t", .configs = {{"flush", "every"}, {"flush", "none"}}}).code(),
            Errc::invalid_config);
}

TEST_F(TopicsTest, AltersAllConfigsOrNone) {
  const Uuid id = *world.create("orders");
  const TopicRef ref{.id = id, .name = {}};
  ASSERT_TRUE(world.run(topics().alter({}, {ref, {{"flush", "every"}}, {}})));
  EXPECT_EQ(world.produce(id, "x", Acks::leader).receipt.level, Receipt::Level::synced);
  const auto refused =
      world.run(topics().alter({}, {ref, {{"retention.ms", "5"}, {"flush", "x"}}, {}}));
  EXPECT_EQ(refused.error().code(), Errc::invalid_config);
  ASSERT_TRUE(world.run(topics().alter({}, {ref, {}, {"flush"}})));
  EXPECT_TRUE(world.node().metadata().image()->topic(id)->configs.empty());
}

TEST_F(TopicsOfAStrictBroker, KeepWhatTheirBrokerSaidOfReplicasWhenTheyWereCreated) {
  ASSERT_TRUE(world.create("orders"));
  const std::string key = "min.insync.replicas";
  const auto now = [&] {
    return world.node().metadata().image()->topic("orders")->configs.at(key);
  };
  EXPECT_EQ(now(), "2");
  const TopicRef ref{.id = {}, .name = "orders"};
  ASSERT_TRUE(world.run(topics().alter({}, {.topic = ref, .set = {{key, "1"}}})));
  EXPECT_EQ(now(), "1");
  ASSERT_TRUE(world.run(topics().alter({}, {.topic = ref, .remove = {key}})));
  EXPECT_EQ(now(), "2") << "back to the default";
}

TEST_F(TopicsTest, AddsPartitionsAndNeverTakesThemAway) {
  const Uuid id = *world.create("orders", 2);
  const TopicRef ref{.id = {}, .name = "orders"};
  ASSERT_TRUE(world.run(topics().add_partitions({}, {ref, 4})));
  EXPECT_EQ(world.status(id, 3).high_watermark, Offset{0});
  for (const uint32_t total : {0u, 3u, 4u}) {
    const auto refused = world.run(topics().add_partitions({}, {ref, total}));
    EXPECT_EQ(refused.error().code(), Errc::invalid_partitions) << total;
  }
}

TEST_F(TopicsTest, UnknownTopicsAreNamed) {
  const TopicRef by_name{.id = {}, .name = "ghost"};
  const auto described = world.run(topics().describe({}, by_name));
  EXPECT_EQ(described.error().code(), Errc::unknown_topic_or_partition);
  EXPECT_EQ(described.error().message(),
            "there is no topic ghost; create it, or look for its name in the list of topics");
  const TopicRef by_id{.id = Uuid(), .name = {}};
  const auto removed = world.run(topics().remove({}, by_id));
  EXPECT_EQ(removed.error().code(), Errc::unknown_topic_id);
  EXPECT_TRUE(says(removed.error(), Uuid().text()));
  EXPECT_TRUE(says(*world.produce(Uuid(), "x").error, Uuid().text()));
  const std::vector<TopicRef> asked = {by_id};
  const auto answer = world.services().metadata.describe({}, asked, false);
  EXPECT_TRUE(says(*answer.topics.at(0).error, Uuid().text()));
}

}  // namespace
}  // namespace sluice::broker
