// A consumer whose records are lost by an unclean election says so.

#include <algorithm>
#include <chrono>
#include <functional>

#include <gtest/gtest.h>
#include <signal.h>

#include "tests/cluster/three_brokers.h"

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

bool until(const std::function<bool()>& holds) {
  const auto end = steady_clock::now() + seconds(20);
  while (!holds() && steady_clock::now() < end) {
  }
  return holds();
}

/// One partition with two replicas, of which the one that does not lead is paused.
class Truncation : public testing::Test {
 protected:
  void SetUp() override {
    brokers.start();
    const auto created = brokers.client()->admin()->create_topic(
        {.name = "t",
         .partitions = 1,
         .replication_factor = 2,
         .configs = {{"unclean.leader.election.enable", "true"}}});
    ASSERT_TRUE(created) << created.error().message();
    const auto partition = described();
    leader = partition.leader.value();
    for (const NodeId id : partition.replicas) {
      if (id != partition.leader) follower = id.value();
    }
  }
  client::PartitionInfo described() {
    return brokers.client()->admin()->describe_topic("t")->partitions.at(0);
  }
  /// As the leader sees it: who is paused would be asked in vain.
  size_t in_sync() {
    client::ClientOptions options;
    options.brokers = {brokers.broker(leader).address()};
    const auto client = client::Client::open(options).value();
    return client->admin()->describe_topic("t")->partitions.at(0).in_sync.size();
  }
  void produce(const std::string& lines, int via) {
    const Said said =
        brokers.sluice({"-b", brokers.broker(via).address(), "produce", "t", "-q"}, lines);
    ASSERT_EQ(said.code, 0) << said.err;
  }

  ThreeBrokers brokers;
  int leader = 0;
  int follower = 0;
};

TEST_F(Truncation, ConsumeSaysWhatItPrintedAndIsGone) {
  produce("a\nb\nc\n", leader);
  const auto out = brokers.folder() / "out";
  const auto err = brokers.folder() / "err";
  Process consume(
      {.arguments = {SLUICE_PATH, "-b", brokers.addresses(), "consume", "t", "-q", "-f", "%o %s\n"},
       .environment = {},
       .input = {},
       .output = out,
       .error = err});
  brokers.pause(follower);
  ASSERT_TRUE(until([&] { return in_sync() == 1; }));
  produce("lost\ntoo\n", leader);
  ASSERT_TRUE(until([&] { return std::ranges::count(read_file(out), '\n') == 5; }))
      << read_file(out);
  brokers.kill(leader);
  brokers.restart(follower);
  ASSERT_TRUE(until([&] { return brokers.leader_of("t") == follower; }));
  produce("new\n", follower);
  EXPECT_TRUE(until([&] { return read_file(out).ends_with("3 new\n"); })) << read_file(out);
  consume.send(SIGINT);
  const auto ending = consume.wait(milliseconds(10'000));
  EXPECT_EQ(ending ? ending->code : -1, 130);
  EXPECT_NE(read_file(err).find("from offset 3 to 5 is no longer in the log"), std::string::npos)
      << read_file(err);
  brokers.restart(leader);
}

}  // namespace
}  // namespace sluice::cluster
