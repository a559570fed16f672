// Replicas that are moved between brokers.

#include <chrono>
#include <filesystem>
#include <functional>

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
  nlohmann::json moves() {
    const Said said = brokers.sluice({"partition", "moves", "-o", "json"});
    EXPECT_EQ(said.code, 0) << said.err;
    return nlohmann::json::parse(said.out);
  }
  /// Brokers learn of changes one after the other.
  static bool until(const std::function<bool()>& holds) {
    const auto end = steady_clock::now() + seconds(20);
    while (!holds() && steady_clock::now() < end) {
    }
    return holds();
  }

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
  const std::string value(1000, 'x');
  std::string lines;
  for (int i = 0; i < 5'000; ++i) lines += value + "\n";
  ASSERT_EQ(brokers.sluice({"produce", "t", "-q"}, lines).code, 0);
  const std::string to = std::to_string(leader % 3 + 1);
  ASSERT_EQ(brokers.sluice({"partition", "move", "t", "0", "--replicas", to}).code, 0);
  ASSERT_TRUE(until([&] { return moves().size() == 1; }));
  const auto shown = moves();
  EXPECT_EQ(shown[0]["adding"][0], std::stoi(to));
  EXPECT_GT(shown[0]["left"][0]["records"], 1000) << shown;
  EXPECT_EQ(brokers.sluice({"partition", "move", "t", "0", "--cancel"}).code, 0);
  EXPECT_TRUE(until([&] { return replicas() == std::vector<int>{leader} && moves().empty(); }));
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
  EXPECT_TRUE(until([&] { return partition()["in_sync"].size() == 3; }))
      << brokers.broker(lost).log();
  const int leader = brokers.leader_of("t");
  brokers.kill(leader);
  EXPECT_TRUE(until([&] {
    const int next = brokers.leader_of("t");
    return next > 0 && next != leader;
  }));
  EXPECT_EQ(read_all(*brokers.client(), "t").size(), 1'000U);
  brokers.restart(leader);
}

}  // namespace
}  // namespace sluice::cluster
