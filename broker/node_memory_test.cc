#include <array>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/broker_world.h"

namespace sluice::broker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

/// A broker whose system tells what a test wants it to.
class NodeMemoryTest : public ::testing::Test {
 protected:
  void start(size_t resident) {
    set_resident(resident);
    ASSERT_TRUE(world.start().has_value());
  }
  void set_resident(size_t bytes) { world.run(write_status(world.machine().runtime(), bytes)); }
  Json memory() {
    const std::string answer = get("/memory");
    const size_t body = answer.find("\r\n\r\n");
    return Json::parse(answer.substr(std::min(body, answer.size())), nullptr, false);
  }
  std::string get(std::string path) {
    return world.simulator().run_on(client_.executor().worker(0),
                                    get_page(client_.runtime(), std::move(path)));
  }
  std::string metrics() { return world.node().metrics().prometheus(); }

  testing::BrokerWorld world;

 private:
  static io::Task<void> write_status(io::Runtime& runtime, size_t bytes) {
    const std::string resident = std::to_string(bytes / 1024);
    const std::string text = "Name:\tsluiced\nVmSize:\t  900000 kB\nRssAnon:\t" + resident +
                             " kB\nRssFile:\t 9000 kB\nRssShmem:\t0 kB\nVmData:\t 50000 kB\n"
                             "VmStk:\t 132 kB\nVmSwap:\t 0 kB\n" +
                             std::string(64, '\n');
    EXPECT_TRUE(co_await runtime.disk.create_directories("/proc/self"));
    const auto file = co_await runtime.disk.open("/proc/self/status", io::OpenMode::create);
    const std::array<ByteView, 1> parts = {as_bytes(text)};
    EXPECT_TRUE(co_await (*file)->write_at(0, parts, io::Lane::hot));
  }
  static io::Task<std::string> get_page(io::Runtime& runtime, std::string path) {
    auto socket =
        co_await runtime.network.connect({"broker-1", 9644}, io::Loop::current()->now() + 5s);
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    const std::array<ByteView, 1> parts = {as_bytes(request)};
    EXPECT_TRUE(co_await io::write_all(**socket, parts));
    std::string text;
    for (;;) {
      std::array<std::byte, 4096> part;
      const auto count = (*socket)->try_read(part);
      if (count && *count == 0) co_return text;
      if (count) {
        text += as_text(ByteView(part).first(*count));
      } else if (count.error() != Errc::would_block || !co_await (*socket)->readable()) {
        co_return text;
      }
    }
  }
  sim::SimNode& client_ = world.simulator().add_node("client");
};

TEST_F(NodeMemoryTest, WhatWasThereAtTheStartIsKnownAndWhatComesIsNot) {
  start(10_MiB);
  EXPECT_LT(memory()["unattributed"].get<size_t>(), 256_KiB);
  set_resident(13_MiB);
  const Json page = memory();
  EXPECT_NEAR(page["unattributed"].get<double>(), 3_MiB, 256_KiB);
  EXPECT_NEAR(page["attributed"]["at_start"].get<double>(), 10_MiB, 256_KiB);
  EXPECT_EQ(page["process"]["resident_anonymous"], 13_MiB);
  EXPECT_EQ(page["process"]["mapped"], 50132_KiB);
  EXPECT_EQ(page["cap"], 64_MiB);
  EXPECT_EQ(page["budget"]["name"], "broker");
}

TEST_F(NodeMemoryTest, ASystemWithoutProcLeavesItUnknown) {
  ASSERT_TRUE(world.start().has_value());
  const Json page = memory();
  EXPECT_TRUE(page["unattributed"].is_null());
  EXPECT_EQ(page["budget"]["cap"], 64_MiB);
  EXPECT_THAT(get("/metrics"), Not(HasSubstr("\nsluice_memory_unattributed_bytes ")));
}

TEST_F(NodeMemoryTest, AScrapeHasTheProcessTheTreeAndThePools) {
  start(10_MiB);
  const std::string text = get("/metrics");
  for (const auto* line :
       {"sluice_memory_resident_bytes{kind=\"anonymous\"} 10485760\n",
        "sluice_memory_budget_limit_bytes{node=\"broker\"} 67108864\n",
        "sluice_memory_budget_bytes{node=\"unreserved/storage/producer_state\"} 0\n",
        "sluice_memory_refusals_total{node=\"unreserved/connections\"} 0\n",
        "sluice_buffer_pool_in_use{tier=\"1MiB\"} 0\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(NodeMemoryTest, MemoryThatOnlyGrowsIsWarnedOfAndNamed) {
  start(10_MiB);
  for (size_t minute = 0; minute < 150; ++minute) {
    world.simulator().run_for(std::chrono::minutes(1));
    set_resident(10_MiB + minute * 256_KiB);
  }
  const std::string text = metrics();
  EXPECT_THAT(text, HasSubstr("sluice_memory_leak_warnings_total 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_memory_leak_suspected_bytes{node=\"unattributed\"} "));
}

TEST_F(NodeMemoryTest, NobodyLooksForLeaksWhenToldNotTo) {
  const auto usual = world.options;
  world.options = [usual] {
    BrokerOptions options = usual();
    options.leak_growth_percent = 0;
    return options;
  };
  start(10_MiB);
  for (size_t minute = 0; minute < 150; ++minute) {
    world.simulator().run_for(std::chrono::minutes(1));
    set_resident(10_MiB + minute * 256_KiB);
  }
  EXPECT_THAT(metrics(), HasSubstr("sluice_memory_leak_warnings_total 0\n"));
  EXPECT_THAT(metrics(), Not(HasSubstr("sluice_memory_leak_suspected_bytes{")));
}

}  // namespace
}  // namespace sluice::broker
