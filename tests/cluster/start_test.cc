#include <sys/stat.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/cluster/node.h"

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;

/// A broker that is expected to give up: its exit code, and what it said.
std::pair<int, std::string> refusal(Node& node, const BrokerOptions& options) {
  const auto broker = node.start_other(options);
  EXPECT_FALSE(broker->wait_until_ready());
  const auto ending = broker->process().wait(milliseconds(10'000));
  return {ending ? ending->code : -1, broker->log()};
}

TEST(Start, ASecondBrokerOnTheSameDirectoryIsRefused) {
  Node node;
  node.start();
  const auto [code, said] = refusal(node, {.data = node.data()});
  EXPECT_EQ(code, 4);
  EXPECT_NE(said.find(node.data().string()), std::string::npos) << said;
  const std::string holder = "process " + std::to_string(node.broker().process().id());
  EXPECT_NE(said.find(holder), std::string::npos) << holder << " in " << said;
  EXPECT_NE(said.find("; stop it or use another directory"), std::string::npos) << said;
}

TEST(Start, APortInUseIsRefusedByName) {
  Node node;
  Broker& first = node.start();
  const auto [code, said] =
      refusal(node, {.data = node.folder() / "other", .listen = first.address()});
  EXPECT_EQ(code, 3);
  EXPECT_NE(said.find(first.address()), std::string::npos) << said;
  EXPECT_NE(said.find("; stop whoever listens there or choose another address"), std::string::npos)
      << said;
}

TEST(Start, DataOfAnotherClusterIsRefused) {
  Node node;
  node.start();
  ASSERT_EQ(node.stop(), 0);
  const std::string properties = read_file(node.data() / "meta.properties");
  std::string other = properties;
  const size_t at = other.find("cluster.id=");
  ASSERT_NE(at, std::string::npos) << properties;
  other.replace(at + 11, 22, "AAAAAAAAAAAAAAAAAAAAAA");
  write_file(node.data() / "meta.properties", other);
  const auto [code, said] = refusal(node, {.data = node.data()});
  EXPECT_EQ(code, 5);
  EXPECT_NE(said.find("AAAAAAAAAAAAAAAAAAAAAA"), std::string::npos) << said;
  EXPECT_NE(said.find("; point it to its own data directory"), std::string::npos) << said;
  write_file(node.data() / "meta.properties", properties);
  node.start();
}

TEST(Start, ADirectoryThatCannotBeMadeIsRefusedByName) {
  Node node;
  write_file(node.folder() / "file", "not a folder");
  const auto [code, said] = refusal(node, {.data = node.folder() / "file" / "data"});
  EXPECT_NE(code, 0);
  EXPECT_NE(said.find((node.folder() / "file").string()), std::string::npos) << said;
}

TEST(Start, BadConfigurationNamesFileLineValueAndRange) {
  Node node;
  const auto file = node.folder() / "sluiced.toml";
  write_file(file, "listen = \"127.0.0.1:0\"\nmemory.max = \"3 parsecs\"\n");
  const auto [code, said] =
      refusal(node, {.data = node.data(), .arguments = {"--config", file.string()}});
  EXPECT_EQ(code, 2);
  for (const auto* part : {"sluiced.toml:2", "memory.max", "3 parsecs"}) {
    EXPECT_NE(said.find(part), std::string::npos) << part << " in " << said;
  }
}

TEST(Start, ListeningEverywhereNeedsAnAddressForClients) {
  Node node;
  const auto [code, said] = refusal(node, {.data = node.data(), .listen = "0.0.0.0:0"});
  EXPECT_EQ(code, 2);
  for (const auto* part : {"listen = \"0.0.0.0:0\"", "set advertised"}) {
    EXPECT_NE(said.find(part), std::string::npos) << part << " in " << said;
  }
}

TEST(Start, ATermEndsAStartThatTakesLong) {
  Node node;
  const auto data = node.folder() / "slow";
  std::filesystem::create_directory(data);
  // Nobody writes to it: reading it at the start takes for ever.
  ASSERT_EQ(::mkfifo((data / "meta.properties").c_str(), 0600), 0);
  const auto broker = node.start_other({.data = data});
  while (broker->log().find("event=starting") == std::string::npos) {
    ASSERT_FALSE(broker->process().wait(milliseconds(2))) << broker->log();
  }
  EXPECT_EQ(broker->stop(), 0) << broker->log();
  EXPECT_NE(broker->log().find("stopped before it was ready"), std::string::npos) << broker->log();
}

TEST(Start, AnUnknownKeyIsRefused) {
  Node node;
  const auto [code, said] =
      refusal(node, {.data = node.data(), .arguments = {"--set", "memry.bytes=1GiB"}});
  EXPECT_EQ(code, 2);
  EXPECT_NE(said.find("memry.bytes"), std::string::npos) << said;
}

TEST(Start, IsQuickOnAnEmptyDirectory) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "a sanitizer's own start takes longer";
#endif
#endif
  Node node;
  // The target of 20 ms is measured by bench/; this catches a start that waits for something.
  EXPECT_LT(node.start().time_to_ready(), milliseconds(1'000));
}

TEST(Footprint, AnIdleBrokerIsSmall) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "a sanitizer's shadow memory is resident, too";
#endif
#endif
  Node node;
  EXPECT_LT(node.start().process().resident(), 30u << 20);
}

}  // namespace
}  // namespace sluice::cluster
