#include <gmock/gmock.h>

#include "base/crc32c.h"
#include "broker/metadata/member_codec.h"
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

  void dial(std::string cluster_id, int to = 2, bool urgent = false) {
    hang_up();
    auto opened = sim.run_on(loop(), PeerConnection::open(us.runtime(), member(to).address,
                                                          {.self = NodeId{1},
                                                           .cluster_id = std::move(cluster_id),
                                                           .expected = NodeId{to},
                                                           .lineage = lineage,
                                                           .urgent = urgent},
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
  static native::RequestHeader propose(std::string_view command) {
    native::RequestHeader request;
    request.mutable_propose()->set_crc(crc32c(as_bytes(command)));
    return request;
  }
  /// From port 1 of its machine.
  static native::RequestHeader joining(int number) {
    native::RequestHeader request;
    ClusterMember joins = member(number);
    joins.address.port = 1;
    encode_member(joins, *request.mutable_join_cluster()->mutable_self());
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

TEST_F(ClusterMessages, WhoSpeaksForTheConsensusIsWhoSaidHello) {
  auto message = raft("m");
  message.mutable_raft()->set_from(3);
  EXPECT_EQ(call(message, "m").error(), Errc::invalid_request);
  dial("");
  EXPECT_EQ(call(raft("m"), "m").error(), Errc::wrong_cluster);
  EXPECT_THAT(them->consensus.received, IsEmpty());
}

TEST_F(ClusterMessages, OnlyASnapshotIsALargeMessageOfTheConsensus) {
  std::string large(11_MiB, 'm');
  EXPECT_EQ(call(raft(large), large).error(), Errc::frame_too_large);
  EXPECT_THAT(them->consensus.received, IsEmpty());
  large.replace(4, 2, "\x08\x07");
  EXPECT_TRUE(call(raft(large), large));
  EXPECT_EQ(them->consensus.received.size(), 1U);
}

TEST_F(ClusterMessages, WhatTheConsensusCarriesMayBeLarge) {
  const std::string large(5_MiB, 'x');
  EXPECT_TRUE(call(raft(large), large));
  EXPECT_TRUE(call(propose(large), large));
  // One that does not name our cluster has a client's limits, and a client's memory.
  dial("");
  EXPECT_EQ(call(heartbeat(), large).error(), Errc::malformed_frame);
}

TEST_F(ClusterMessages, ABrokerWithoutAClusterIsNoMember) {
  dial("");
  EXPECT_EQ(call(heartbeat()).error(), Errc::wrong_cluster);
  EXPECT_EQ(call(propose("command"), "command").error(), Errc::wrong_cluster);
  EXPECT_THAT(them->consensus.proposed, IsEmpty());
}

TEST_F(ClusterMessages, AProposalIsAnsweredWithItsIndex) {
  EXPECT_EQ(call(propose("one"), "one")->header.propose().index(), 1U);
  EXPECT_EQ(call(propose("two"), "two")->header.propose().index(), 2U);
  EXPECT_THAT(them->consensus.proposed, ElementsAre("one", "two"));
}

TEST_F(ClusterMessages, ADamagedProposalIsNotMade) {
  EXPECT_EQ(call(propose("command"), "commend").error(), Errc::connection_failed);
  EXPECT_THAT(them->consensus.proposed, IsEmpty());
  EXPECT_EQ(them->ports.corrupt_messages.value(), 1U);
}

TEST_F(ClusterMessages, HeartbeatsComeToTheController) {
  them->controller.fenced = true;
  EXPECT_TRUE(call(heartbeat())->header.heartbeat().fenced());
  ASSERT_EQ(them->controller.heartbeats.size(), 1U);
  EXPECT_EQ(them->controller.heartbeats.front().broker_epoch, 9U);
}

TEST_F(ClusterMessages, WhatIsUrgentWaitsForNoWorker) {
  auto& executor = them->node.executor();
  for (size_t i = 0; i < executor.workers(); ++i) {
    executor.pause_worker_until(i, sim.now() + 60s);
  }
  dial("C", 2, true);
  EXPECT_TRUE(call(heartbeat()));
  EXPECT_TRUE(call(raft("message"), "message"));
  EXPECT_THAT(them->consensus.received, ElementsAre(std::pair(NodeId{1}, "message")));
  EXPECT_EQ(them->controller.heartbeats.size(), 1U);
}

TEST_F(ClusterMessages, AnUrgentConnectionIsForNothingElse) {
  dial("C", 2, true);
  EXPECT_TRUE(call(heartbeat()));
  EXPECT_EQ(call(propose("command"), "command").error(), Errc::invalid_request);
  EXPECT_THAT(them->consensus.proposed, IsEmpty());
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

TEST_F(ClusterMessages, DamageIsTheControllersToHear) {
  native::RequestHeader request;
  for (const bool damaged : {true, false}) {
    auto& partition = *request.mutable_report_damage()->add_partitions();
    partition.set_topic_id(std::string(16, 't'));
    partition.set_partition(damaged ? 3 : 4);
    partition.set_damaged(damaged);
  }
  ASSERT_TRUE(call(request).has_value());
  ASSERT_EQ(them->controller.damage.size(), 2U);
  EXPECT_EQ(them->controller.damage[0].partition, PartitionId{3});
  EXPECT_TRUE(them->controller.damage[0].damaged);
  EXPECT_FALSE(them->controller.damage[1].damaged);
  request.mutable_report_damage()->mutable_partitions(0)->set_topic_id("short");
  EXPECT_EQ(call(request).error().code(), Errc::invalid_argument);
}

TEST_F(ClusterMessages, WhoJoinsIsHandedToTheControllerUnlessItsClusterHasAnotherName) {
  native::RequestHeader request = joining(4);
  auto& self = *request.mutable_join_cluster()->mutable_self();
  const auto answer = call(request);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->header.join_cluster().cluster_id(), "C");
  ASSERT_EQ(them->controller.joined.size(), 1U);
  EXPECT_EQ(them->controller.joined.front().address.to_string(), "b4:1");
  EXPECT_FALSE(them->controller.returned.front());
  self.set_cluster_name("other");
  const auto refused = call(request);
  EXPECT_EQ(refused.error(), Errc::wrong_cluster);
  EXPECT_THAT(refused.error().message(), HasSubstr("\"other\""));
  EXPECT_THAT(refused.error().message(), HasSubstr("\"test\""));
  EXPECT_EQ(them->controller.joined.size(), 1U);
}

TEST_F(ClusterMessages, AMemberIsReachedWhereItSaysEvenWhereThereIsNoController) {
  them->controller.refusal = Error(Errc::not_controller);
  native::RequestHeader request = joining(3);
  request.mutable_join_cluster()->set_returning(true);
  EXPECT_EQ(call(request).error(), Errc::not_controller);
  EXPECT_FALSE(them->membership.address_of(NodeId{3})) << "it is nobody's word but its own";
  them->membership.note(member(3));
  EXPECT_EQ(call(request).error(), Errc::not_controller);
  EXPECT_EQ(them->membership.address_of(NodeId{3})->to_string(), "b3:1");
  EXPECT_TRUE(them->controller.returned.back());
}

TEST_F(ClusterMessages, NobodyJoinsWithoutAnAddress) {
  native::RequestHeader request = joining(3);
  request.mutable_join_cluster()->mutable_self()->set_port(0);
  EXPECT_EQ(call(request).error(), Errc::invalid_argument);
  EXPECT_THAT(them->controller.joined, IsEmpty());
}

TEST_F(ClusterMessages, ABrokerThatDoesNotKnowItsClusterYetIsNotTakenForOneWithout) {
  them = machine(3);
  dial("", 3);
  native::RequestHeader discover;
  discover.mutable_discover();
  EXPECT_EQ(call(discover).error(), Errc::recovering);
}

TEST_F(ClusterMessages, BeforeThereIsAClusterOnlyDiscoverIsAnswered) {
  them = machine(3);
  them->membership.has_no_cluster();
  dial("", 3);
  native::RequestHeader discover;
  discover.mutable_discover();
  const auto answer = call(discover);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->header.discover().self().node_id(), 3);
  EXPECT_EQ(answer->header.discover().self().cluster_id(), "");
  EXPECT_EQ(call(heartbeat()).error(), Errc::recovering);
  EXPECT_EQ(call(propose("command"), "command").error(), Errc::recovering);
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

TEST_F(AloneBroker, KeepsItsClusterWhenItStartsAgain) {
  const auto cluster_id = [this] {
    auto socket = open();
    native::RequestHeader discover;
    discover.set_correlation_id(7);
    discover.mutable_discover();
    return ask(*socket, discover).header.discover().self().cluster_id();
  };
  const std::string id = cluster_id();
  EXPECT_FALSE(id.empty());
  ASSERT_TRUE(broker.stop());
  ASSERT_TRUE(broker.start());
  EXPECT_EQ(cluster_id(), id);
  // As an earlier version left it.
  ASSERT_TRUE(broker.stop());
  auto& disk = broker.machine().disk();
  const std::string file = broker.options().data_directories.front() + "/metadata/founding";
  ASSERT_TRUE(sim().run_on(broker.machine().executor().control(), disk.remove(file)));
  ASSERT_TRUE(broker.start());
  EXPECT_EQ(cluster_id(), id);
}

TEST_F(AloneBroker, RefusesClientsThatPlayBrokersAndBrokersThatAreNotThere) {
  auto socket = open();
  native::RequestHeader heartbeat;
  heartbeat.mutable_heartbeat();
  EXPECT_EQ(call(*socket, heartbeat)->error(), Errc::invalid_request);
  auto replica = fetch_request(Uuid{}, 0, 0);
  replica.mutable_fetch()->set_replica_id(2);
  replica.mutable_fetch()->set_broker_epoch(1'000'000);
  EXPECT_EQ(call(*socket, replica)->error(), Errc::invalid_request);
  native::RequestHeader drain;
  drain.mutable_drain_broker();
  EXPECT_EQ(call(*socket, drain)->error(), Errc::not_found);
}

TEST_F(AloneBroker, TakesNoWordForAReplicaThatIsNotTheBrokersOwnInItsEpoch) {
  const auto metadata = broker.services().metadata.describe({}, {}, true);
  const auto fetch_as = [&](int32_t said, int32_t replica, uint64_t epoch) {
    auto socket = connect();
    auto hello = sluice::testing::hello_request();
    hello.mutable_hello()->set_broker_id(said);
    hello.mutable_hello()->set_cluster_id(metadata.image->cluster_id);
    send(*socket, std::string(native::kMagic) + sluice::testing::native_frame(hello));
    EXPECT_TRUE(receive(*socket)->header.has_hello());
    auto request = fetch_request(Uuid{}, 0, 0);
    request.mutable_fetch()->set_replica_id(replica);
    request.mutable_fetch()->set_broker_epoch(epoch);
    const auto answer = call(*socket, request);
    return answer->header.has_fetch() ? std::nullopt : std::optional(answer->error());
  };
  const BrokerImage& known = metadata.brokers.front();
  const int32_t id = known.id.value();
  EXPECT_EQ(fetch_as(id, id, known.epoch), std::nullopt);
  EXPECT_EQ(fetch_as(id + 1, id, known.epoch), Errc::invalid_request);
  EXPECT_EQ(fetch_as(id, id, known.epoch - 1), Errc::fenced_leader_epoch);
  EXPECT_EQ(fetch_as(id, id, known.epoch + 1), Errc::recovering);
  EXPECT_EQ(fetch_as(id + 1, id + 1, known.epoch), Errc::recovering);
}

}  // namespace
}  // namespace sluice::broker
