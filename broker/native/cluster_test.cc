#include <gmock/gmock.h>

#include "base/crc32c.h"
#include "tests/support/native_world.h"
#include "tests/support/peer_world.h"

namespace sluice::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What brokers ask each other, over a connection that says it is broker 1 of cluster C.
class ClusterMessages : public PeerWorld {
 protected:
  ClusterMessages() { them->join("C"); }
  ~ClusterMessages() override { hang_up(); }

  void dial(std::string cluster_id, int to = 2) {
    hang_up();
    auto opened = sim.run_on(loop(), PeerConnection::open(us.runtime(), member(to).address,
                                                          {.self = NodeId{1},
                                                           .cluster_id = std::move(cluster_id),
                                                           .expected = NodeId{to},
                                                           .lineage = lineage},
                                                          memory, {}));
    ASSERT_TRUE(opened) << opened.error().message();
    connection = std::move(*opened);
  }
  void hang_up() {
    if (connection) sim.run_on(loop(), connection->shut_down());
    connection.reset();
  }
  Result<PeerAnswer> call(native::RequestHeader request, std::string_view payload = {}) {
    if (!connection) dial("C");
    return sim.run_on(
        loop(), [](PeerConnection& c, auto header, auto bytes) -> io::Task<Result<PeerAnswer>> {
          co_return co_await c.call(std::move(header), bytes, io::Loop::current()->now() + 2s);
        }(*connection, std::move(request), as_bytes(payload)));
  }
  static native::RequestHeader raft(std::string_view payload, std::string cluster_id = "C") {
    native::RequestHeader request;
    request.mutable_raft()->set_cluster_id(std::move(cluster_id));
    request.mutable_raft()->set_from(1);
    request.mutable_raft()->set_to(2);
    request.mutable_raft()->set_crc(crc32c(as_bytes(payload)));
    return request;
  }
  static native::RequestHeader heartbeat() {
    native::RequestHeader request;
    request.mutable_heartbeat()->set_node_id(1);
    request.mutable_heartbeat()->set_broker_epoch(9);
    return request;
  }
  io::Loop& loop() { return us.executor().control(); }

  sim::SimNode& us = sim.add_node("b1");
  std::unique_ptr<PeerMachine> them = machine(2);
  MemoryBudget memory{"answers", 1_MiB};
  std::shared_ptr<PeerConnection> connection;
  /// Of our metadata.
  std::optional<Lineage> lineage;
};

TEST_F(ClusterMessages, AMessageOfTheConsensusIsHandedOver) {
  const std::string message(10'000, 'm');
  EXPECT_TRUE(call(raft(message), message));
  EXPECT_THAT(them->consensus.received, ElementsAre(std::pair(NodeId{1}, message)));
}

TEST_F(ClusterMessages, ADamagedMessageIsDroppedAndCounted) {
  EXPECT_TRUE(call(raft("message"), "massage"));
  EXPECT_THAT(them->consensus.received, IsEmpty());
  EXPECT_EQ(them->ports.corrupt_messages.value(), 1U);
}

TEST_F(ClusterMessages, AMessageOfAnotherClusterIsRefusedWithBothIds) {
  const auto answer = call(raft("m", "D"), "m");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), Errc::wrong_cluster);
  EXPECT_THAT(answer.error().message(), HasSubstr("\"D\""));
  EXPECT_THAT(answer.error().message(), HasSubstr("\"C\""));
  EXPECT_THAT(them->consensus.received, IsEmpty());
}

TEST_F(ClusterMessages, ABrokerWithoutAClusterIsNoMember) {
  dial("");
  EXPECT_EQ(call(heartbeat()).error(), Errc::wrong_cluster);
  native::RequestHeader propose;
  propose.mutable_propose();
  EXPECT_EQ(call(propose, "command").error(), Errc::wrong_cluster);
  EXPECT_THAT(them->consensus.proposed, IsEmpty());
}

TEST_F(ClusterMessages, AProposalIsAnsweredWithItsIndex) {
  native::RequestHeader propose;
  propose.mutable_propose();
  EXPECT_EQ(call(propose, "one")->header.propose().index(), 1U);
  EXPECT_EQ(call(propose, "two")->header.propose().index(), 2U);
  EXPECT_THAT(them->consensus.proposed, ElementsAre("one", "two"));
}

TEST_F(ClusterMessages, HeartbeatsComeToTheController) {
  them->controller.fenced = true;
  EXPECT_TRUE(call(heartbeat())->header.heartbeat().fenced());
  ASSERT_EQ(them->controller.heartbeats.size(), 1U);
  EXPECT_EQ(them->controller.heartbeats.front().broker_epoch, 9U);
}

TEST_F(ClusterMessages, AMemberWithMetadataOfBeforeARecoveryIsRefused) {
  MetadataImage image;
  image.cluster_id = "C";
  image.lineage.recoveries = 1;
  them->membership.update(image);
  lineage = Lineage{};
  const auto refused = call(heartbeat());
  EXPECT_EQ(refused.error(), Errc::wrong_cluster);
  EXPECT_THAT(refused.error().message(), HasSubstr("that of broker 1 is of before"));
  EXPECT_EQ(call(raft("m"), "m").error(), Errc::wrong_cluster);
  EXPECT_THAT(them->consensus.received, IsEmpty());
  // Who has none yet is on its way in.
  lineage.reset();
  dial("C");
  EXPECT_TRUE(call(heartbeat()));
}

TEST_F(ClusterMessages, EachInSyncChangeHasAnOutcome) {
  native::RequestHeader request;
  for (const bool good : {true, false}) {
    auto& change = *request.mutable_alter_in_sync()->add_partitions();
    change.set_topic_id(std::string(16, 't'));
    change.set_partition_epoch(4);
    if (good) change.add_in_sync(1);
  }
  const auto answer = call(request);
  ASSERT_TRUE(answer) << answer.error().message();
  const auto& said = answer->header.alter_in_sync();
  ASSERT_EQ(said.partitions_size(), 2);
  EXPECT_EQ(said.partitions(0).partition_epoch(), 5U);
  EXPECT_EQ(errc_from_wire(said.partitions(1).error().code()), Errc::invalid_request);
}

TEST_F(ClusterMessages, WhoJoinsIsHandedToTheControllerUnlessItsClusterHasAnotherName) {
  native::RequestHeader request;
  auto& self = *request.mutable_join_cluster()->mutable_self();
  self.set_cluster_name("test");
  self.set_node_id(4);
  self.set_directory_id(std::string(16, 'd'));
  self.set_host("b4");
  self.set_port(1);
  const auto answer = call(request);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->header.join_cluster().cluster_id(), "C");
  ASSERT_EQ(them->controller.joined.size(), 1U);
  EXPECT_EQ(them->controller.joined.front().address.to_string(), "b4:1");
  self.set_cluster_name("other");
  const auto refused = call(request);
  EXPECT_EQ(refused.error(), Errc::wrong_cluster);
  EXPECT_THAT(refused.error().message(), HasSubstr("\"other\""));
  EXPECT_THAT(refused.error().message(), HasSubstr("\"test\""));
  EXPECT_EQ(them->controller.joined.size(), 1U);
}

TEST_F(ClusterMessages, BeforeThereIsAClusterOnlyDiscoverIsAnswered) {
  them = machine(3);
  dial("", 3);
  native::RequestHeader discover;
  discover.mutable_discover();
  const auto answer = call(discover);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->header.discover().self().node_id(), 3);
  EXPECT_EQ(answer->header.discover().self().cluster_id(), "");
  EXPECT_EQ(call(heartbeat()).error(), Errc::recovering);
  native::RequestHeader propose;
  propose.mutable_propose();
  EXPECT_EQ(call(propose, "command").error(), Errc::recovering);
}

TEST_F(ClusterMessages, ClientsAreSentElsewhereUntilTheBrokerServes) {
  native::RequestHeader request;
  request.mutable_metadata()->set_all(true);
  EXPECT_EQ(call(request).error(), Errc::recovering);
  sim.run_for(100ms);
  EXPECT_TRUE(connection->closed());
}

/// A broker that runs alone, asked by a client.
class AloneBroker : public sluice::testing::NativeWorld {};

TEST_F(AloneBroker, DescribesItself) {
  ASSERT_TRUE(broker.create("orders", 3));
  auto socket = open();
  native::RequestHeader request;
  request.set_correlation_id(5);
  request.mutable_describe_cluster();
  const auto said = ask(*socket, request).header.describe_cluster();
  EXPECT_EQ(said.controller(), 1);
  EXPECT_EQ(said.partitions(), 3U);
  EXPECT_EQ(said.offline(), 0U);
  ASSERT_EQ(said.brokers_size(), 1);
  EXPECT_EQ(said.brokers(0).leaders(), 3U);
  EXPECT_TRUE(said.brokers(0).voter());
  EXPECT_EQ(said.answered_by(), 1);
  EXPECT_EQ(said.offline_names_size(), 0);
}

TEST_F(AloneBroker, RefusesClientsThatPlayBrokersAndBrokersThatAreNotThere) {
  auto socket = open();
  native::RequestHeader heartbeat;
  heartbeat.mutable_heartbeat();
  EXPECT_EQ(call(*socket, heartbeat)->error(), Errc::invalid_request);
  native::RequestHeader drain;
  drain.mutable_drain_broker();
  EXPECT_EQ(call(*socket, drain)->error(), Errc::not_found);
}

}  // namespace
}  // namespace sluice::broker
