#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/cluster/node.h"

namespace sluice::cluster {
namespace {

using nlohmann::json;

// A sanitizer's own memory would count as the broker's.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kOwnAllocator = true;
#else
constexpr bool kOwnAllocator = false;
#endif

json memory_of(Node& node) {
  const Said said =
      node.sluice({"memory", "top", "--admin", node.broker().admin_address(), "-o", "json"});
  EXPECT_EQ(said.code, 0) << said.err;
  return json::parse(said.out, nullptr, false);
}

void load(Node& node) {
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(node.sluice({"bench", "produce", "t", "--records", "40000", "--size", "1000",
                           "--producers", "8", "-o", "json"})
                  .code,
              0);
    EXPECT_EQ(node.sluice({"bench", "consume", "t", "--records", "40000", "--consumers", "4", "-o",
                           "json"})
                  .code,
              0);
  }
}

/// Of the cap, and the smallest one: it is what people set aside for a broker. What is resident is
/// no measure, as an idle broker has so little that the allocator's gaps alone are a tenth of it.
TEST(Memory, AfterALoadLessThanATenthOfTheCapIsUnattributed) {
  if (kOwnAllocator) GTEST_SKIP() << "a sanitizer's own memory would count";
  Node node;
  node.start({"--set", "memory.max=32MiB"});
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "6"}).code, 0);
  const json before = memory_of(node);
  load(node);
  const json after = memory_of(node);
  ASSERT_TRUE(after["unattributed"].is_number()) << after.dump(2);
  EXPECT_LT(after["unattributed"].get<size_t>(), after["cap"].get<size_t>() / 10) << after.dump(2);
  // Something was done, and told.
  EXPECT_GT(after["budget"]["peak"].get<size_t>(), before["budget"]["peak"].get<size_t>());
  EXPECT_GT(after["process"]["resident_anonymous"].get<size_t>(), 0u);
}

TEST(Memory, TopNamesTheOwners) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "1"}).code, 0);
  ASSERT_EQ(node.sluice({"produce", "t", "-X", "enable.idempotence=true"}, "one\n").code, 0);
  const auto client = node.client();
  ASSERT_TRUE(client->admin()->list_topics());
  const json page = memory_of(node);
  ASSERT_EQ(page["owners"]["connections"].size(), 1u) << page.dump(2);
  EXPECT_EQ(page["owners"]["connections"][0]["address"], "127.0.0.1");
  EXPECT_GE(page["owners"]["connections"][0]["connections"], 1);
  ASSERT_EQ(page["owners"]["partitions"].size(), 1u) << page.dump(2);
  EXPECT_EQ(page["owners"]["partitions"][0]["topic"], "t");
  EXPECT_EQ(page["owners"]["partitions"][0]["producers"], 1);
  const Said shown = node.sluice({"memory", "top", "--admin", node.broker().admin_address()});
  EXPECT_NE(shown.out.find("unattributed"), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("network_buffers"), std::string::npos) << shown.out;
}

TEST(Memory, TopSaysHowToNameAnAdminPortThatIsNotThere) {
  Node node;
  node.start();
  const std::string clients = node.broker().address();
  const Said wrong = node.sluice({"memory", "top", "--admin", clients});
  EXPECT_NE(wrong.code, 0);
  EXPECT_NE(wrong.err.find(clients), std::string::npos) << wrong.err;
  node.stop();
  const Said gone = node.sluice({"memory", "top", "--admin", clients});
  EXPECT_EQ(gone.code, 3) << gone.err;
  EXPECT_NE(gone.err.find("--admin HOST:PORT"), std::string::npos) << gone.err;
}

}  // namespace
}  // namespace sluice::cluster
