#include <array>
#include <string>
#include <utility>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "broker/node.h"
#include "tests/support/broker_world.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

/// A broker with two data directories and the metadata apart from them.
class NodeDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto usual = world.options;
    world.options = [usual] {
      BrokerOptions options = usual();
      options.data_directories = {"/one", "/two"};
      options.metadata_directory = "/meta";
      return options;
    };
    ASSERT_TRUE(world.start().has_value());
    topic = *world.create("orders", 2, {{"flush", "every"}});
    ASSERT_FALSE(world.produce(topic, "first", Acks::all, 0).error);
    ASSERT_FALSE(world.produce(topic, "first", Acks::all, 1).error);
  }
  /// The partition whose log lies in that directory.
  int32_t partition_in(const std::string& directory) {
    return *world.run(world.machine().disk().exists(directory + "/orders-0")) ? 0 : 1;
  }
  void fail(sim::DiskOp op, std::string below) {
    world.machine().disk().set_fault(
        [op, below = std::move(below)](const sim::DiskCall& call) -> std::optional<Errc> {
          if (call.op != op || !(call.path + "/").starts_with(below + "/")) return std::nullopt;
          return Errc::disk_failed;
        });
  }
  /// What a reader gets from the beginning of a partition.
  FetchedPartition fetch(int32_t partition) {
    MemoryBudget budget("sessions", 1_MiB);
    FetchSession session(budget, 4);
    std::vector<FetchedPartition> answer;
    world.run(fetch(session, partition, answer));
    return answer.empty() ? FetchedPartition{} : std::move(answer.front());
  }
  std::string health() {
    return world.simulator().run_on(scraper_.executor().worker(0), scrape(scraper_.runtime()));
  }
  static bool says(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
  }

  testing::BrokerWorld world;
  Uuid topic;

 private:
  sim::SimNode& scraper_ = world.simulator().add_node("scraper");
  io::Task<void> fetch(FetchSession& session, int32_t partition,
                       std::vector<FetchedPartition>& answer) {
    const std::vector<FetchTarget> targets = {{.key = {topic, PartitionId{partition}},
                                               .max_bytes = 1'000'000,
                                               .leader_epoch = {},
                                               .last_fetched_epoch = {}}};
    const FetchRequest request{.principal = world.principal(),
                               .partitions = targets,
                               .forgotten = {},
                               .max_bytes = 1'000'000};
    const auto fetched = co_await world.services().fetch.fetch(session, request, answer);
    EXPECT_TRUE(fetched.has_value());
  }
  static io::Task<std::string> scrape(io::Runtime& runtime) {
    auto socket =
        co_await runtime.network.connect({"broker-1", 9644}, io::Loop::current()->now() + 5s);
    const std::string request = "GET /health HTTP/1.0\r\n\r\n";
    const std::array<ByteView, 1> parts = {as_bytes(request)};
    EXPECT_TRUE((co_await io::write_all(**socket, parts)).has_value());
    std::string text;
    for (;;) {
      std::array<std::byte, 512> part;
      const auto count = (*socket)->try_read(part);
      if (count && *count == 0) co_return text;
      if (count) {
        text += as_text(ByteView(part).first(*count));
      } else if (count.error() != Errc::would_block || !co_await (*socket)->readable()) {
        co_return text;
      }
    }
  }
};

TEST_F(NodeDiskTest, AFailedSyncTakesItsDirectoryOfflineAndTheOtherGoesOn) {
  const int32_t lost = partition_in("/two");
  fail(sim::DiskOp::sync, "/two");
  EXPECT_TRUE(world.produce(topic, "lost", Acks::all, lost).error);
  const ProduceResult refused = world.produce(topic, "again", Acks::all, lost);
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code(), Errc::disk_offline);
  EXPECT_TRUE(says(refused.error->message(), "data directory /two is offline until a restart"))
      << refused.error->message();
  const FetchedPartition unread = fetch(lost);
  ASSERT_TRUE(unread.error);
  EXPECT_EQ(unread.error->code(), Errc::disk_offline);

  EXPECT_EQ(world.produce(topic, "second", Acks::all, 1 - lost).base_offset, Offset{1});
  EXPECT_GT(fetch(1 - lost).slice.length, 0u);
  EXPECT_TRUE(world.fatal.empty());
}

TEST_F(NodeDiskTest, HealthNamesTheDirectoryThatIsOfflineAndWhy) {
  EXPECT_TRUE(says(health(), " 200 OK"));
  fail(sim::DiskOp::sync, "/two");
  EXPECT_TRUE(world.produce(topic, "lost", Acks::all, partition_in("/two")).error);
  const std::string page = health();
  EXPECT_TRUE(says(page, " 503 ")) << page;
  EXPECT_TRUE(says(page, "\"healthy\": false")) << page;
  EXPECT_TRUE(says(page, "/two: ")) << page;
}

TEST_F(NodeDiskTest, WithoutItsLastDirectoryTheProcessMustEnd) {
  fail(sim::DiskOp::sync, "/two");
  EXPECT_TRUE(world.produce(topic, "lost", Acks::all, partition_in("/two")).error);
  EXPECT_TRUE(world.fatal.empty());
  fail(sim::DiskOp::sync, "/one");
  EXPECT_TRUE(world.produce(topic, "lost", Acks::all, partition_in("/one")).error);
  EXPECT_FALSE(world.fatal.empty());
}

TEST_F(NodeDiskTest, AnUnreadableDirectoryIsLeftOutAndItsPartitionsAreNotMadeAnew) {
  const int32_t lost = partition_in("/two");
  ASSERT_TRUE(world.stop());
  fail(sim::DiskOp::list, "/two");
  ASSERT_TRUE(world.start());
  EXPECT_TRUE(says(health(), "/two: ")) << health();
  EXPECT_EQ(world.produce(topic, "second", Acks::all, 1 - lost).base_offset, Offset{1});
  const ProduceResult refused = world.produce(topic, "second", Acks::all, lost);
  ASSERT_TRUE(refused.error);
  EXPECT_TRUE(says(refused.error->message(), "orders-" + std::to_string(lost)))
      << refused.error->message();

  ASSERT_TRUE(world.stop());
  world.machine().disk().set_fault({});
  ASSERT_TRUE(world.start());
  EXPECT_EQ(world.produce(topic, "second", Acks::all, lost).base_offset, Offset{1});
}

TEST(NodeDisk, TheOnlyDirectoryUnreadableIsRefusedByName) {
  testing::BrokerWorld world;
  ASSERT_TRUE(world.start());
  ASSERT_TRUE(world.stop());
  world.machine().disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    if (call.op == sim::DiskOp::list && call.path == "/data") return Errc::disk_failed;
    return std::nullopt;
  });
  const auto started = world.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::disk_failed);
  EXPECT_NE(started.error().message().find("/data"), std::string_view::npos);
}

void break_a_log_at_rest() {
  testing::BrokerWorld world;
  ASSERT_TRUE(world.start());
  ASSERT_FALSE(world.produce(*world.create("orders"), "value").error);
  ASSERT_TRUE(world.stop());
  auto file = world.run(
      world.machine().disk().open("/data/orders-0/00000000000000000000.log", io::OpenMode::write));
  ASSERT_TRUE(file);
  const std::array<ByteView, 1> parts = {as_bytes("?")};
  ASSERT_TRUE(world.run((*file)->write_at(65, parts, io::Lane::hot)));
}

TEST(NodeDisk, ATestThatLeavesABrokenLogFails) {
  EXPECT_NONFATAL_FAILURE(break_a_log_at_rest(), "/data/orders-0");
}

TEST(NodeDisk, APartitionThatCannotBeOpenedTellsClientsWhy) {
  testing::BrokerWorld world;
  ASSERT_TRUE(world.start());
  const Uuid topic = *world.create("orders");
  world.die(std::nullopt);
  world.machine().disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    if (call.op == sim::DiskOp::list && call.path == "/data/orders-0") return Errc::disk_failed;
    return std::nullopt;
  });
  ASSERT_TRUE(world.start());
  const ProduceResult refused = world.produce(topic, "lost");
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code(), Errc::disk_failed);
  EXPECT_NE(refused.error->message().find("partition orders-0 is not served"),
            std::string_view::npos)
      << refused.error->message();
}

}  // namespace
}  // namespace sluice::broker
