// What a broker does that others no longer count on, and what it says of itself.

#include <algorithm>

#include <gmock/gmock.h>

#include "tests/support/cluster_world.h"

namespace sluice::broker {
namespace {

using ::testing::AnyOf;
using testing::ClusterWorld;
using ::testing::HasSubstr;

class LostSession : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world.start_all());
    const auto created = world.create(1, "t", 3, {{"min.insync.replicas", "1"}});
    ASSERT_TRUE(created) << created.error().message();
    topic = *created;
    ASSERT_TRUE(world.eventually([&] { return leader() > 0 && bool(produce(leader())); }));
  }
  int32_t leader() { return world.partition(1, topic).leader.value(); }
  Result<> produce(int32_t at, Acks acks = Acks::all) {
    return world.produce(at, topic, "v", acks);
  }
  void cut_off(int32_t id) {
    std::vector<std::string> others;
    for (const int32_t other : {1, 2, 3}) {
      if (other != id) others.push_back(ClusterWorld::name_of(other));
    }
    world.simulator().network().partition({ClusterWorld::name_of(id)}, others);
  }
  /// What it had appended before its session is over, it may have told of.
  bool refuses(int32_t at, Acks acks) {
    const auto produced = produce(at, acks);
    return !produced && produced.error() == Errc::not_leader;
  }

  OffsetAnswer end_told(int32_t at, OffsetQuery::Kind kind) {
    const std::vector<OffsetQuery> queries = {{.key = {topic, PartitionId{0}}, .kind = kind}};
    const auto answers = world.on_worker(
        at, world.node(at).services().list_offsets.list({}, queries, Isolation::read_uncommitted));
    return answers.at(0);
  }

  /// Partitions with data for a reader at the beginning.
  size_t partitions_read(int32_t at) {
    MemoryBudget budget("sessions", 1_MiB);
    FetchSession session(budget, 4);
    const std::vector<FetchTarget> targets = {{.key = {topic, PartitionId{0}},
                                               .offset = Offset{0},
                                               .max_bytes = 10'000,
                                               .leader_epoch = {},
                                               .last_fetched_epoch = {}}};
    std::vector<FetchedPartition> answer;
    const auto read = world.on_worker(
        at, world.node(at).services().fetch.fetch(
                session, {.principal = {}, .partitions = targets, .max_bytes = 10'000}, answer));
    EXPECT_TRUE(read);
    return static_cast<size_t>(std::ranges::count_if(answer, [](const FetchedPartition& partition) {
      return !partition.error && partition.slice.length > 0;
    }));
  }

  ClusterWorld world;
  Uuid topic;
};

TEST_F(LostSession, ALeaderThatIsCutOffStopsAcknowledgingWhateverAcksAreAskedFor) {
  const int32_t cut = leader();
  EXPECT_TRUE(produce(cut, Acks::leader));
  cut_off(cut);
  world.pass(2500ms);
  // It knows of no other leader: without the session's end it would take itself for one.
  EXPECT_EQ(world.partition(cut, topic).leader, NodeId{cut});
  EXPECT_TRUE(refuses(cut, Acks::all));
  EXPECT_TRUE(refuses(cut, Acks::leader));
  const auto refused = produce(cut, Acks::leader);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("lost its session"));
}

TEST_F(LostSession, ReadsGoOnWithoutASession) {
  const int32_t cut = leader();
  cut_off(cut);
  world.pass(2500ms);
  EXPECT_TRUE(refuses(cut, Acks::all));
  EXPECT_EQ(partitions_read(cut), 1U);
}

TEST_F(LostSession, AControllerThatIsCutOffCountsOnItselfNoLongerThanOthersDo) {
  const auto controller = [&] {
    for (const int32_t id : {1, 2, 3}) {
      if (world.page(id, "/metrics").find("\nsluice_controller 1\n") != std::string::npos) {
        return id;
      }
    }
    return 0;
  };
  const int32_t cut = controller();
  ASSERT_GT(cut, 0);
  EXPECT_THAT(world.page(cut, "/metrics"), HasSubstr("\nsluice_acknowledges 1\n"));
  cut_off(cut);
  // It leads the metadata until it finds that nobody answers, and hears its own heartbeats.
  world.pass(1100ms);
  EXPECT_THAT(world.page(cut, "/metrics"), HasSubstr("\nsluice_acknowledges 0\n"));
}

TEST_F(LostSession, ALeaderThatIsCutOffTellsNoEndThatMayBeOld) {
  const int32_t cut = leader();
  EXPECT_GE(end_told(cut, OffsetQuery::Kind::latest).offset, Offset{1});
  cut_off(cut);
  world.pass(2500ms);
  const OffsetAnswer latest = end_told(cut, OffsetQuery::Kind::latest);
  ASSERT_TRUE(latest.error);
  EXPECT_EQ(*latest.error, Errc::not_leader);
  EXPECT_THAT(std::string(latest.error->message()), HasSubstr("know of a later end"));
  // What it has of the past is the past of all.
  EXPECT_EQ(end_told(cut, OffsetQuery::Kind::earliest).offset, Offset{0});
}

TEST_F(LostSession, WhoWaitsWhenTheSessionEndsIsTold) {
  const int32_t cut = leader();
  cut_off(cut);
  // Its followers are gone and still in sync: this waits for them.
  const sim::TrueTime begun = world.simulator().now();
  const auto produced = world.produce(cut, topic, "v", Acks::all, 30s);
  ASSERT_FALSE(produced);
  EXPECT_EQ(produced.error(), Errc::outcome_unknown) << produced.error().message();
  EXPECT_LT(world.simulator().now() - begun, 3s);
}

TEST_F(LostSession, ReadySaysWhyAndIsBackOnceItIsHeardOf) {
  const int32_t cut = leader();
  EXPECT_THAT(world.page(cut, "/ready"), HasSubstr("200 OK"));
  cut_off(cut);
  world.pass(2500ms);
  const std::string page = world.page(cut, "/ready");
  EXPECT_THAT(page, HasSubstr("503"));
  EXPECT_THAT(page, HasSubstr("\"state\": \"fenced\""));
  EXPECT_THAT(page, HasSubstr("the controller has not been reached for"));
  EXPECT_THAT(world.page(cut, "/metrics"), HasSubstr("\nsluice_acknowledges 0\n"));
  world.simulator().network().heal_all();
  EXPECT_TRUE(world.eventually(
      [&] { return world.page(cut, "/ready").find("200 OK") != std::string::npos; }, 15s));
  EXPECT_TRUE(world.eventually([&] { return leader() > 0 && bool(produce(leader())); }));
}

TEST_F(LostSession, ABrokerThatComesBackIsReadyOnceItsReplicasAreInSync) {
  const int32_t away = leader();
  world.kill(away);
  const int32_t other = away == 1 ? 2 : 1;
  const auto lead = [&] { return world.partition(other, topic).leader.value(); };
  ASSERT_TRUE(world.until([&] { return lead() > 0 && lead() != away; }));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(world.produce(lead(), topic, "v")) << i;
  ASSERT_TRUE(world.start(away));
  const auto in_sync = [&] { return world.partition(away, topic).in_sync.size() == 3; };
  if (!in_sync()) {
    const std::string page = world.page(away, "/ready");
    EXPECT_THAT(page, AnyOf(HasSubstr("catching up"), HasSubstr("200 OK")));
    if (page.find("catching up") != std::string::npos) {
      EXPECT_THAT(page, HasSubstr("503"));
      EXPECT_THAT(page, HasSubstr("1 partition: t-0"));
    }
  }
  EXPECT_TRUE(world.on_control(away, world.node(away).caught_up()));
  EXPECT_TRUE(in_sync());
  EXPECT_THAT(world.page(away, "/ready"), HasSubstr("200 OK"));
}

TEST_F(LostSession, MetricsTellWhatIsNotWell) {
  const int32_t away = world.partition(1, topic).replicas.back().value();
  const int32_t at = leader();
  EXPECT_THAT(world.page(at, "/metrics"), HasSubstr("\nsluice_under_replicated_partitions 0\n"));
  world.kill(away);
  ASSERT_TRUE(world.until([&] { return world.partition(at, topic).in_sync.size() == 2; }));
  ASSERT_TRUE(produce(at));
  const std::string page = world.page(at, "/metrics");
  EXPECT_THAT(page, HasSubstr("\nsluice_under_replicated_partitions 1\n"));
  EXPECT_THAT(page, HasSubstr("\nsluice_leader_partitions 1\n"));
  EXPECT_THAT(page,
              HasSubstr("\nsluice_partition_under_replicated{topic=\"t\",partition=\"0\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("\nsluice_follower_lag_records{topic=\"t\",partition=\"0\","
                              "follower=\"" +
                              std::to_string(away) + "\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("\nsluice_fenced_brokers 1\n"));
}

TEST_F(LostSession, AStartWithoutMostVotersSaysWhoIsMissing) {
  for (const int32_t id : {1, 2, 3}) world.kill(id);
  world.launch(1);
  world.pass(3s);
  const std::string page = world.page(1, "/ready");
  EXPECT_THAT(page, HasSubstr("503"));
  EXPECT_THAT(page, HasSubstr("\"state\": \"registering\""));
  EXPECT_THAT(page, HasSubstr("not reached from here: brokers 2 3"));
}

TEST(Clocks, AnHourApartABrokerIsAsGoodAsAnother) {
  ClusterWorld world;
  world.broker(1).wall_skew = 1h;
  world.broker(3).wall_skew = -1h;
  ASSERT_TRUE(world.start_all());
  const auto topic = world.create(1, "t", 3, {{"min.insync.replicas", "3"}});
  ASSERT_TRUE(topic) << topic.error().message();
  const auto leader = [&] { return world.partition(1, *topic).leader.value(); };
  const auto serves = [&] { return leader() > 0 && world.node(leader()).partitions().size() == 1; };
  ASSERT_TRUE(world.until(serves));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(world.produce(leader(), *topic, "v"));
  world.pass(5s);
  for (const int32_t id : {1, 2, 3}) EXPECT_FALSE(world.fenced(2, id)) << id;
  EXPECT_EQ(world.partition(2, *topic).in_sync.size(), 3U);
}

}  // namespace
}  // namespace sluice::broker
