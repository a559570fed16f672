// Two of three brokers are lost for good.

#include <algorithm>
#include <chrono>

#include <gtest/gtest.h>

#include "tests/cluster/three_brokers.h"

namespace sluice::cluster {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

class RecoverQuorum : public testing::Test {
 protected:
  void SetUp() override {
    brokers.start();
    const auto client = brokers.client();
    const auto created = client->admin()->create_topic({.name = "t",
                                                        .partitions = 2,
                                                        .replication_factor = 3,
                                                        .configs = {{"min.insync.replicas", "1"}}});
    ASSERT_TRUE(created) << created.error().message();
    cluster_id = client->admin()->cluster_status().value().cluster_id;
    ASSERT_EQ(brokers.sluice({"produce", "t", "-q"}, "one\ntwo\nthree\n").code, 0);
  }
  /// On broker 1's directory; what it printed.
  std::pair<int, std::string> recover(std::vector<std::string> more) {
    ProcessOptions options;
    options.output = brokers.folder() / ("recover-" + std::to_string(calls++));
    options.error = options.output.string() + ".err";
    options.arguments = {SLUICED_PATH,   "recover-quorum", "--data", brokers.data_of(1).string(),
                         "--set",        "node.id=1",      "--set",  "seeds=" + brokers.addresses(),
                         "--cluster-id", cluster_id};
    options.arguments.insert(options.arguments.end(), more.begin(), more.end());
    Process process(options);
    const auto ending = process.wait(seconds(20));
    return {ending ? ending->code : -1, read_file(options.output) + read_file(options.error)};
  }
  static bool within(seconds limit, const std::function<bool()>& holds) {
    const auto end = steady_clock::now() + limit;
    while (!holds()) {
      if (steady_clock::now() > end) return false;
    }
    return true;
  }
  size_t records() {
    const Said said = brokers.sluice({"consume", "t", "--until", "end", "-f", "%s\n"});
    EXPECT_EQ(said.code, 0) << said.err;
    return static_cast<size_t>(std::ranges::count(said.out, '\n'));
  }

  ThreeBrokers brokers;
  std::string cluster_id;
  int calls = 0;
};

TEST_F(RecoverQuorum, TheSurvivorServesAloneAndANewBrokerTakesReplicas) {
  EXPECT_EQ(recover({"--yes"}).first, 4) << "a broker runs on it";
  brokers.kill(2);
  brokers.kill(3);
  // Noticed when its session is over.
  EXPECT_TRUE(within(seconds(10),
                     [&] { return brokers.sluice({"cluster", "status", "--check"}).code != 0; }));
  ASSERT_EQ(brokers.stop(1), 0);
  const auto [refused, plan] = recover({});
  EXPECT_EQ(refused, 2);
  EXPECT_NE(plan.find("voters: 1, 2, 3"), std::string::npos) << plan;
  EXPECT_NE(plan.find("nothing was changed"), std::string::npos) << plan;
  const auto [done, said] = recover({"--yes"});
  ASSERT_EQ(done, 0) << said;
  brokers.restart(1);
  EXPECT_TRUE(within(seconds(20),
                     [&] { return brokers.sluice({"produce", "t", "-q"}, "four\n").code == 0; }));
  EXPECT_GE(records(), 4U);
  Broker fourth(
      {.data = brokers.folder() / "4",
       .listen = "127.0.0.1:0",
       .arguments = {"--set", "node.id=4", "--set", "seeds=" + brokers.broker(1).address()}},
      brokers.folder() / "broker-4.log");
  ASSERT_TRUE(fourth.wait_until_ready()) << fourth.log();
  for (const char* partition : {"0", "1"}) {
    const Said moved = brokers.sluice({"partition", "move", "t", partition, "--replicas", "1,4"});
    EXPECT_EQ(moved.code, 0) << moved.err;
  }
  EXPECT_TRUE(within(seconds(20), [&] {
    const auto described = brokers.client()->admin()->describe_topic("t");
    return described && std::ranges::all_of(described->partitions, [](const auto& partition) {
             return partition.replicas.size() == 2 && partition.in_sync.size() == 2;
           });
  }));
  EXPECT_EQ(fourth.stop(), 0) << fourth.log();
}

TEST_F(RecoverQuorum, AMemberOfBeforeEndsAndSaysWhatToDo) {
  brokers.kill(2);
  brokers.kill(3);
  ASSERT_EQ(brokers.stop(1), 0);
  ASSERT_EQ(recover({"--yes"}).first, 0);
  brokers.restart(1);
  Broker outdated({.data = brokers.data_of(2),
                   .listen = "127.0.0.1:0",
                   .arguments = {"--set", "node.id=2", "--set", "seeds=" + brokers.addresses()}},
                  brokers.folder() / "outdated.log");
  const auto ending = outdated.process().wait(seconds(20));
  ASSERT_TRUE(ending) << outdated.log();
  EXPECT_EQ(ending->code, 5) << outdated.log();
  EXPECT_NE(outdated.log().find("move its metadata directory away"), std::string::npos)
      << outdated.log();
}

}  // namespace
}  // namespace sluice::cluster
