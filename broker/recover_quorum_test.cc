#include "broker/recover_quorum.h"

#include <gmock/gmock.h>

#include "broker/metadata/founding_file.h"
#include "tests/support/cluster_images.h"
#include "tests/support/cluster_world.h"

namespace sluice::broker {
namespace {

using testing::ClusterWorld;
using ::testing::HasSubstr;
using testing::nodes;
using testing::topic_id;

BrokerOptions options_of(int32_t id) {
  BrokerOptions options;
  options.node_id = NodeId{id};
  options.data_directories = {"/data"};
  return options;
}

class RecoverQuorumTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world.start_all());
    const auto created = world.create(1, "t", 3, {{"min.insync.replicas", "1"}});
    ASSERT_TRUE(created) << created.error().message();
    topic = *created;
    ASSERT_TRUE(world.eventually([&] {
      const int32_t leader = world.partition(1, topic).leader.value();
      return leader > 0 && bool(world.produce(leader, topic, "before"));
    }));
    cluster_id = world.node(1).metadata().image()->cluster_id;
  }
  /// On the disk of a broker that is off.
  Result<> recover(int32_t id, bool yes = true, std::string cluster = "") {
    auto& broker = world.broker(id);
    auto& machine = world.simulator().add_node(ClusterWorld::name_of(id), {.disk = broker.disk});
    said.clear();
    const auto done = world.simulator().run_on(
        machine.executor().control(),
        recover_quorum(machine.runtime(), options_of(id),
                       {.cluster_id = cluster.empty() ? cluster_id : cluster, .yes = yes}, said));
    broker.disk = machine.disk().image();
    machine.kill(sim::Death::process);
    return done;
  }
  bool takes_records(int32_t at) {
    return world.eventually([&] { return bool(world.produce(at, topic, "after")); });
  }

  ClusterWorld world;
  Uuid topic;
  std::string cluster_id;
  std::string said;
};

TEST_F(RecoverQuorumTest, TheSurvivorGoesOnAloneAndOthersJoin) {
  for (const int32_t id : {1, 2, 3}) world.kill(id);
  const auto recovered = recover(1);
  ASSERT_TRUE(recovered) << recovered.error().message();
  EXPECT_THAT(said, HasSubstr("voters: 1, 2, 3"));
  ASSERT_TRUE(world.start(1)) << world.broker(1).started->error().message();
  EXPECT_EQ(world.node(1).metadata().image()->lineage.recoveries, 1U);
  ASSERT_TRUE(takes_records(1));
  // A new one under a new id, and one that lost its metadata under its old id.
  ASSERT_TRUE(world.start(4));
  EXPECT_EQ(world.node(4).metadata().image()->lineage, world.node(1).metadata().image()->lineage);
  world.broker(2).disk = {};
  ASSERT_TRUE(world.start(2));
  EXPECT_TRUE(world.until([&] { return world.partition(1, topic).in_sync.size() == 2; }));
}

TEST_F(RecoverQuorumTest, AMemberOfBeforeEndsWithWhatToDo) {
  for (const int32_t id : {1, 2, 3}) world.kill(id);
  ASSERT_TRUE(recover(1));
  ASSERT_TRUE(world.start(1));
  world.launch(2);
  ASSERT_TRUE(world.until([&] { return !world.broker(2).fatal.empty(); }));
  const std::string why(world.broker(2).fatal.front().message());
  EXPECT_EQ(world.broker(2).fatal.front(), Errc::wrong_cluster);
  EXPECT_THAT(why, HasSubstr("that of this broker is of before"));
  EXPECT_THAT(why, HasSubstr("move its metadata directory away"));
  EXPECT_TRUE(takes_records(1));
  EXPECT_TRUE(world.broker(1).fatal.empty());
}

TEST_F(RecoverQuorumTest, WithoutYesItOnlySaysWhatItWouldDo) {
  for (const int32_t id : {1, 2, 3}) world.kill(id);
  EXPECT_EQ(recover(1, false).error(), Errc::invalid_argument);
  EXPECT_THAT(said, HasSubstr("becomes the only voter"));
  EXPECT_THAT(said, HasSubstr(cluster_id));
  EXPECT_EQ(recover(1, true, "another").error(), Errc::wrong_cluster);
  ASSERT_TRUE(world.start_all());
  EXPECT_EQ(world.node(1).metadata().image()->lineage, Lineage{});
}

TEST_F(RecoverQuorumTest, ARunningBrokerIsLeftAlone) {
  auto& machine = *world.broker(1).machine;
  const auto refused = world.simulator().run_on(
      machine.executor().control(),
      recover_quorum(machine.runtime(), options_of(1), {cluster_id, true}, said));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::locked);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("stop it first"));
}

TEST_F(RecoverQuorumTest, TheOnlyVoterNeedsNone) {
  for (const int32_t id : {1, 2, 3}) world.kill(id);
  ASSERT_TRUE(recover(1));
  EXPECT_EQ(recover(1).error(), Errc::invalid_request);
}

TEST(RecoveredImage, SkipsWhatTheLostMayHaveGivenOut) {
  testing::FoldedCluster cluster;
  cluster.start_brokers(2);
  ASSERT_TRUE(cluster.create(1, {testing::partition_of(nodes({2, 1}))}));
  cluster.image.brokers[1].directory_id = topic_id(9);
  const MetadataImage after = recovered_image(cluster.image, NodeId{1}, topic_id(7));
  const PartitionImage before = cluster.partition(1);
  const PartitionImage& partition = after.topic(topic_id(1))->partitions.front();
  EXPECT_GT(partition.leader_epoch.value(), before.leader_epoch.value() + 1000);
  EXPECT_GT(partition.partition_epoch, before.partition_epoch + 1000);
  EXPECT_EQ(partition.in_sync, before.in_sync);
  EXPECT_GT(after.next_producer_id, cluster.image.next_producer_id + 1'000'000);
  EXPECT_TRUE(after.broker(NodeId{2})->fenced);
  EXPECT_TRUE(after.broker(NodeId{2})->directory_id.is_zero());
  EXPECT_FALSE(after.broker(NodeId{1})->fenced);
  EXPECT_EQ(after.lineage, (Lineage{1, topic_id(7)}));
}

}  // namespace
}  // namespace sluice::broker
