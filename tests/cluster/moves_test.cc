// Replicas that are moved between brokers.

#include <chrono>
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/cluster/load.h"
#include "tests/cluster/three_brokers.h"

namespace sluice::cluster {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

class Moves : public testing::Test {
 protected:
  void start(uint32_t replicas) {
    brokers.start();
    const auto created = brokers.client()->admin()->create_topic(
        {.name = "t", .partitions = 1, .replication_factor = replicas});
    ASSERT_TRUE(created) << created.error().message();
  }
  nlohmann::json partition() {
    const Said said = brokers.sluice({"topic", "describe", "t", "-o", "json"});
    EXPECT_EQ(said.code, 0) << said.err;
    return nlohmann::json::parse(said.out)["partitions"][0];
  }
  std::vector<int> replicas() { return partition()["replicas"]; }

  ThreeBrokers brokers;
};

TEST_F(Moves, RaisingTheFactorCopiesAndIsWaitedFor) {
  start(1);
  const int leader = brokers.leader_of("t");
  std::string lines;
  for (int i = 0; i < 20'000; ++i) lines += std::to_string(i) + "\n";
  ASSERT_EQ(brokers.sluice({"produce", "t", "-q"}, lines).code, 0);
  const std::string to = std::to_string(leader) + "," + std::to_string(leader % 3 + 1) + "," +
                         std::to_string((leader + 1) % 3 + 1);
  const Said said = brokers.sluice({"partition", "move", "t", "0", "--replicas", to, "--wait"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("moved t-0"), std::string::npos) << said.out;
  const auto shown = partition();
  EXPECT_EQ(shown["in_sync"].size(), 3U) << shown;
  EXPECT_TRUE(shown["adding"].empty()) << shown;
  ASSERT_EQ(shown["followers"].size(), 2U) << shown;
  for (const auto& follower : shown["followers"]) EXPECT_EQ(follower["lag"], 0) << shown;
}

TEST_F(Moves, AThrottledMoveShowsWhatIsLeftAndCanBeCancelled) {
  for (int id = 1; id <= 3; ++id) {
    brokers.arguments_of[id] = {"--set", "replica.move.bytes.per.second=64KiB"};
  }
  start(1);
  const int leader = brokers.leader_of("t");
  const std::string before = std::to_string(leader);
  const std::string value(1000, 'x');
  std::string lines;
  for (int i = 0; i < 5'000; ++i) lines += value + "\n";
  ASSERT_EQ(brokers.sluice({"produce", "t", "-q"}, lines).code, 0);
  const std::string to = std::to_string(leader % 3 + 1);
  ASSERT_EQ(brokers.sluice({"partition", "move", "t", "0", "--replicas", to}).code, 0);
  const Said moves = brokers.sluice({"partition", "moves", "-o", "json"});
  ASSERT_EQ(moves.code, 0) << moves.err;
  const auto shown = nlohmann::json::parse(moves.out);
  ASSERT_EQ(shown.size(), 1U) << moves.out;
  EXPECT_EQ(shown[0]["adding"][0], std::stoi(to));
  EXPECT_GT(shown[0]["left"][0]["records"], 1000);
  EXPECT_EQ(brokers.sluice({"partition", "move", "t", "0", "--cancel"}).code, 0);
  EXPECT_EQ(replicas(), std::vector<int>{leader});
  EXPECT_NE(brokers.sluice({"partition", "moves"}).out.find("no partition"), std::string::npos);
  EXPECT_EQ(brokers.sluice({"consume", "t", "--until", "end", "-f", "%o\n"}).code, 0);
}

TEST_F(Moves, ABrokerThatComesBackWithAnEmptyDataDirectoryIsFilledAgain) {
  start(3);
  std::string lines;
  for (int i = 0; i < 1'000; ++i) lines += std::to_string(i) + "\n";
  ASSERT_EQ(brokers.sluice({"produce", "t", "-q"}, lines).code, 0);
  const int lost = brokers.leader_of("t") % 3 + 1;
  brokers.kill(lost);
  // Its logs are gone; what it knows of the cluster is on another device.
  for (const auto& entry : std::filesystem::directory_iterator(brokers.data_of(lost))) {
    if (entry.path().filename() != "metadata") std::filesystem::remove_all(entry.path());
  }
  brokers.restart(lost);
  const auto until = steady_clock::now() + seconds(20);
  while (partition()["in_sync"].size() < 3 && steady_clock::now() < until) {
  }
  EXPECT_EQ(partition()["in_sync"].size(), 3U) << brokers.broker(lost).log();
  brokers.kill(lost % 3 + 1);
  const Records all = read_all(*brokers.client(), "t");
  EXPECT_EQ(all.size(), 1'000U);
  brokers.restart(lost % 3 + 1);
}

}  // namespace
}  // namespace sluice::cluster
