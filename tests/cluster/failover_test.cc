// What three brokers promise together, under load.

#include <algorithm>
#include <chrono>

#include <gtest/gtest.h>

#include "tests/cluster/load.h"
#include "tests/cluster/three_brokers.h"

namespace sluice::cluster {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

class Failover : public testing::Test {
 protected:
  void SetUp() override { brokers.emplace(); }
  void start_with_topic(uint32_t partitions) {
    brokers->start();
    const auto created =
        brokers->client()->admin()->create_topic({.name = "t",
                                                  .partitions = partitions,
                                                  .replication_factor = 3,
                                                  .configs = {{"min.insync.replicas", "2"}}});
    ASSERT_TRUE(created) << created.error().message();
  }
  /// Everything acknowledged is there, where it was acknowledged.
  void expect_all(const Records& acknowledged) {
    const Records found = read_all(*brokers->client(), "t");
    size_t lost = 0;
    for (const auto& [place, value] : acknowledged) {
      const auto at = found.find(place);
      lost += at == found.end() || at->second != value ? 1 : 0;
    }
    EXPECT_EQ(lost, 0U) << "of " << acknowledged.size();
  }
  /// What the load had acknowledged once it has had `more` outcomes from now on.
  static size_t after(Load& load, size_t more) {
    load.wait_for(load.acknowledged().size() + more);
    return load.acknowledged().size();
  }

  std::optional<ThreeBrokers> brokers;
};

TEST_F(Failover, ThreeBrokersFormAClusterInUnderThreeSeconds) {
  const auto begun = steady_clock::now();
  brokers->start();
  EXPECT_LT(steady_clock::now() - begun, seconds(3));
  const auto status = brokers->client()->admin()->cluster_status();
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_EQ(status->brokers.size(), 3U);
  EXPECT_GT(status->controller.value(), 0);
  const Said said = brokers->sluice({"cluster", "status"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("all is well"), std::string::npos) << said.out;
}

TEST_F(Failover, RecordsWithThreeReplicasComeBackFromAnyBroker) {
  start_with_topic(4);
  std::string lines;
  for (int i = 0; i < 10'000; ++i) lines += std::to_string(i) + "\n";
  EXPECT_EQ(brokers->sluice({"produce", "t", "-q"}, lines).code, 0);
  const Said said = brokers->sluice({"consume", "t", "--until", "end", "-f", "%s\n"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(std::ranges::count(said.out, '\n'), 10'000);
}

TEST_F(Failover, AKilledLeaderLosesNothingAndWritesGoOn) {
  start_with_topic(1);
  Load load(brokers->client(), "t", "a", patient());
  after(load, 10'000);
  const int leader = brokers->leader_of("t");
  ASSERT_GT(leader, 0);
  brokers->kill(leader);
  const auto killed = steady_clock::now();
  const size_t before = load.acknowledged().size();
  const size_t then = after(load, 10'000);
  EXPECT_GT(then, before);
  EXPECT_LT(steady_clock::now() - killed, seconds(10));
  EXPECT_NE(brokers->leader_of("t"), leader);
  load.stop();
  brokers->restart(leader);
  expect_all(load.acknowledged());
}

TEST_F(Failover, ARollingRestartIsNoticedByNobody) {
  start_with_topic(3);
  Load load(brokers->client(), "t", "a", patient());
  after(load, 5'000);
  for (const int id : {1, 2, 3}) {
    EXPECT_EQ(brokers->stop(id), 0);
    brokers->restart(id);
    after(load, 5'000);
  }
  load.stop();
  EXPECT_EQ(load.failed(), 0U);
  expect_all(load.acknowledged());
}

TEST_F(Failover, APausedLeaderComesBackAsAFollower) {
  start_with_topic(1);
  Load load(brokers->client(), "t", "a", patient());
  after(load, 5'000);
  const int leader = brokers->leader_of("t");
  ASSERT_GT(leader, 0);
  brokers->pause(leader);
  const auto moved_within = steady_clock::now() + seconds(15);
  while (brokers->leader_of("t") == leader && steady_clock::now() < moved_within) {
  }
  EXPECT_NE(brokers->leader_of("t"), leader);
  brokers->restart(leader);
  after(load, 5'000);
  load.stop();
  expect_all(load.acknowledged());
}

}  // namespace
}  // namespace sluice::cluster
