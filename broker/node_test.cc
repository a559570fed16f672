#include "broker/node.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/broker_world.h"

namespace sluice::broker {
namespace {

using testing::BrokerWorld;

TEST(Node, KeepsTopicsConfigsAndRecordsOverACleanStop) {
  BrokerWorld world;
  ASSERT_TRUE(world.start());
  const Uuid topic = *world.create("orders", 3, {{"retention.ms", "1000"}});
  ASSERT_FALSE(world.produce(topic, "one").error);
  ASSERT_TRUE(world.stop());
  ASSERT_TRUE(world.start());
  const auto image = world.node().metadata().image();
  ASSERT_TRUE(image->topic("orders"));
  EXPECT_EQ(image->topic("orders")->id, topic);
  EXPECT_EQ(image->topic("orders")->configs.at("retention.ms"), "1000");
  EXPECT_EQ(image->topic("orders")->partitions[0].leader_epoch, LeaderEpoch{0});
  EXPECT_EQ(world.status(topic).high_watermark, Offset{1});
  EXPECT_EQ(world.produce(topic, "two").base_offset, Offset{1});
}

TEST(Node, BeginsANewLeaderEpochAfterAnUncleanStop) {
  BrokerWorld world;
  ASSERT_TRUE(world.start());
  const Uuid topic = *world.create("orders");
  ASSERT_FALSE(world.produce(topic, "one").error);
  world.die(std::nullopt);
  ASSERT_TRUE(world.start());
  EXPECT_EQ(world.node().metadata().image()->topic("orders")->partitions[0].leader_epoch,
            LeaderEpoch{1});
  EXPECT_EQ(world.status(topic).log_end, Offset{1});
  EXPECT_EQ(world.produce(topic, "two").base_offset, Offset{1});
}

TEST(Node, LosesNothingAcknowledgedAsFlushedInAPowerCut) {
  BrokerWorld world;
  ASSERT_TRUE(world.start());
  const Uuid topic = *world.create("orders", 1, {{"flush", "every"}});
  const ProduceResult result = world.produce(topic, "one", Acks::leader);
  ASSERT_FALSE(result.error);
  EXPECT_EQ(result.receipt.level, Receipt::Level::synced);
  EXPECT_EQ(result.receipt.synced_replicas, 1);
  world.die(sim::CrashMode::lose_all);
  ASSERT_TRUE(world.start());
  ASSERT_TRUE(world.node().metadata().image()->topic("orders"));
  EXPECT_EQ(world.status(topic).log_end, Offset{1});
}

TEST(Node, ATopicDeletedBeforeAKillStaysDeleted) {
  BrokerWorld world;
  ASSERT_TRUE(world.start());
  const Uuid topic = *world.create("orders");
  ASSERT_TRUE(world.run(world.services().topics.remove({}, {.id = topic, .name = {}})));
  EXPECT_EQ(world.produce(topic, "late").error->code(), Errc::unknown_topic_id);
  world.die(sim::CrashMode::lose_all);
  ASSERT_TRUE(world.start());
  EXPECT_FALSE(world.node().metadata().image()->topic("orders"));
  EXPECT_TRUE(world.create("orders"));
}

TEST(Node, NeverGivesAProducerIdTwice) {
  BrokerWorld world;
  ASSERT_TRUE(world.start());
  const auto init = [&] {
    return world.run(world.services().init_producer.init(world.principal()))->id;
  };
  const ProducerId first = init();
  EXPECT_EQ(init(), first + 1);
  world.die(sim::CrashMode::lose_all);
  ASSERT_TRUE(world.start());
  EXPECT_GT(init(), first + 1);
}

TEST(Node, RefusesADirectoryThatAnotherBrokerUses) {
  BrokerWorld world;
  ASSERT_TRUE(world.start());
  NullSink sink;
  BrokerOptions options = world.options();
  options.admin_listen = "broker-1:9645";
  Node second({world.machine().runtime(), Logger(sink), [](const Error&) {}}, std::move(options));
  auto& control = world.machine().executor().control();
  const auto started = world.simulator().run_on(control, second.start());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::locked);
  EXPECT_NE(started.error().message().find("/data"), std::string::npos);
  EXPECT_TRUE(world.simulator().run_on(control, second.stop()));
}

TEST(Node, RefusesAnAddressInUse) {
  BrokerWorld world;
  ASSERT_TRUE(world.start());
  NullSink sink;
  BrokerOptions options = world.options();
  options.data_directories = {"/other"};
  Node second({world.machine().runtime(), Logger(sink), [](const Error&) {}}, std::move(options));
  auto& control = world.machine().executor().control();
  const auto started = world.simulator().run_on(control, second.start());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::address_in_use);
  EXPECT_TRUE(world.simulator().run_on(control, second.stop()));
}

TEST(Node, RefusesADirectoryOfAnotherNode) {
  BrokerWorld world;
  ASSERT_TRUE(world.start());
  ASSERT_TRUE(world.stop());
  const auto usual = world.options;
  world.options = [&] {
    BrokerOptions options = usual();
    options.node_id = NodeId{2};
    return options;
  };
  const auto started = world.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::wrong_cluster);
  EXPECT_NE(started.error().message().find("/data"), std::string::npos);
}

TEST(Node, TakesBackATopicThatTheDiskHasNoRoomFor) {
  BrokerWorld world;
  ASSERT_TRUE(world.start());
  world.machine().disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    if (call.takes_space() && call.path.find("orders") != std::string::npos) {
      return Errc::disk_full;
    }
    return std::nullopt;
  });
  const auto created = world.create("orders");
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code(), Errc::disk_full);
  EXPECT_FALSE(world.node().metadata().image()->topic("orders"));
  world.machine().disk().set_fault({});
  EXPECT_TRUE(world.create("orders"));
}

TEST(Node, MakesNoPartitionAnewWhileItsDirectoryIsLeftOut) {
  BrokerWorld world;
  const auto usual = world.options;
  world.options = [&] {
    BrokerOptions options = usual();
    options.data_directories = {"/data", "/two"};
    return options;
  };
  ASSERT_TRUE(world.start());
  for (const char* name : {"one", "two"})
    ASSERT_FALSE(world.produce(*world.create(name), "a").error);
  ASSERT_TRUE(world.stop());
  world.machine().disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    return call.path.starts_with("/two") ? std::optional(Errc::disk_failed) : std::nullopt;
  });
  ASSERT_TRUE(world.start());
  const auto topic = [&](const char* name) { return world.node().metadata().image()->topic(name); };
  EXPECT_FALSE(world.produce(topic("one")->id, "b").error);
  const Uuid missing = topic("two")->id;
  EXPECT_EQ(world.produce(missing, "b").error->code(), Errc::disk_offline);
  ASSERT_TRUE(world.run(world.services().topics.alter(
      {},
      {.topic = {.id = missing, .name = {}}, .set = {{"retention.ms", "1000"}}, .remove = {}})));
  EXPECT_EQ(world.produce(missing, "b").error->code(), Errc::disk_offline);
  EXPECT_TRUE(world.create("three")) << "what is new goes where there is room";
  ASSERT_TRUE(world.stop());
  world.machine().disk().set_fault({});
  ASSERT_TRUE(world.start());
  EXPECT_EQ(world.produce(missing, "b").base_offset, Offset{1});
}

TEST(Node, TellsItsProcessToEndWhenTheMetadataCannotBeSynced) {
  BrokerWorld world;
  ASSERT_TRUE(world.start());
  world.machine().disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    if (call.op == sim::DiskOp::sync && call.path.find("metadata/wal") != std::string::npos) {
      return Errc::disk_failed;
    }
    return std::nullopt;
  });
  EXPECT_EQ(world.create("orders").error().code(), Errc::outcome_unknown);
  EXPECT_FALSE(world.fatal.empty());
}

TEST(Node, SameSeedSameTrace) {
  const auto trace_of = [](uint64_t seed) {
    BrokerWorld world(seed);
    EXPECT_TRUE(world.start());
    const Uuid topic = *world.create("orders", 4, {{"flush", "every"}});
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(world.produce(topic, "value").error);
    EXPECT_TRUE(world.stop());
    return world.simulator().trace_hash();
  };
  EXPECT_EQ(trace_of(7), trace_of(7));
  EXPECT_NE(trace_of(7), trace_of(8));
}

}  // namespace
}  // namespace sluice::broker
