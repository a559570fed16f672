#include "broker/server/server.h"

#include <numeric>

#include <gmock/gmock.h>

#include "tests/support/echo_world.h"

namespace sluice::broker {
namespace {

class ServerTest : public EchoWorld {};

TEST_F(ServerTest, SpreadsConnectionsOverItsWorkers) {
  const size_t workers = node.runtime().executor.workers();
  ASSERT_GT(workers, 1U);
  std::vector<std::unique_ptr<io::Socket>> sockets;
  for (int i = 0; i < 10; ++i) sockets.push_back(open());
  sim.run_for(10ms);
  EXPECT_EQ(server().connections(), 10U);
  for (size_t i = 0; i < workers; ++i) EXPECT_GE(echo.opened[i], 10 / workers) << "worker " << i;
  const std::string text = metrics.prometheus();
  EXPECT_THAT(text, testing::HasSubstr("sluice_connections 10\n"));
  EXPECT_THAT(text, testing::HasSubstr("sluice_connections_accepted_total 10\n"));
}

TEST_F(ServerTest, RefusesConnectionsAboveTheLimits) {
  options.max_connections_per_address = 2;
  auto first = open();
  auto second = open();
  auto third = connect();
  EXPECT_EQ(receive_all(*third), "");
  EXPECT_THAT(metrics.prometheus(),
              testing::HasSubstr(
                  "sluice_connections_refused_total{reason=\"max_connections_per_address\"} 1\n"));
  EXPECT_EQ(server().connections(), 2U);
}

TEST_F(ServerTest, GoesOnAcceptingAfterTheSystemRanShortOfDescriptors) {
  server();
  node.host().fail_accept(kPort, Error(Errc::too_many));
  auto socket = open();
  ASSERT_TRUE(send(*socket, echo_frame('e', "here")));
  EXPECT_EQ(receive(*socket, 9), echo_frame('e', "here"));
  EXPECT_THAT(metrics.prometheus(),
              testing::HasSubstr("sluice_connections_accept_failures_total 1\n"));
}

TEST_F(ServerTest, SaysWhichAddressIsInUse) {
  server();
  Server second({node.runtime(), memory(), memory(), metrics, Logger(sink), {}}, options, {&echo});
  const auto started = sim.run_on(control(), second.start());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::address_in_use);
  EXPECT_THAT(started.error().message(), testing::HasSubstr("server:9"));
}

TEST_F(ServerTest, DrainsAnswersWhatItReadAndTakesNothingMore) {
  auto busy = open();
  auto idle = open();
  ASSERT_TRUE(send(*busy, echo_frame('w', "under way")));
  sim.run_for(10ms);
  stop(1s);
  EXPECT_EQ(receive_all(*busy), echo_frame('w', "under way"));
  EXPECT_EQ(receive_all(*idle), "");
}

TEST_F(ServerTest, ClosesAtTheDeadlineWhatDoesNotDrain) {
  auto stubborn = open();
  // Its peer never reads: the answers cannot leave.
  std::string frames;
  for (int i = 0; i < 100; ++i) frames += echo_frame('e', std::string(100'000, 'r'));
  start_sending(*stubborn, frames);
  sim.run_for(1s);
  const auto before = sim.now();
  stop(100ms);
  EXPECT_LT(sim.now() - before, 1s);
}

TEST_F(ServerTest, LetsControlFramesInWhenMemoryForOthersIsSpent) {
  cap = 16_MiB;  // of which one address may have 4 MiB
  std::vector<std::unique_ptr<io::Socket>> greedy;
  const std::string part = echo_frame('e', std::string(1'000'000, 'x')).substr(0, 200'000);
  for (int i = 0; i < 5; ++i) {
    greedy.push_back(open());
    start_sending(*greedy.back(), part);
  }
  sim.run_for(10ms);
  auto small = open();
  auto control = open();
  ASSERT_TRUE(send(*small, echo_frame('e', "produce")));
  ASSERT_TRUE(send(*control, echo_frame('C', "heartbeat")));
  EXPECT_EQ(receive(*control, 14), echo_frame('C', "heartbeat"));
  sim.run_for(10ms);
  EXPECT_THAT(echo.begun, testing::ElementsAre("heartbeat"));
  EXPECT_THAT(metrics.prometheus(), testing::HasSubstr("sluice_admission_bytes 4194304\n"));
  for (auto& socket : greedy) close(*socket);
  EXPECT_EQ(receive(*small, 12), echo_frame('e', "produce"));
}

TEST_F(ServerTest, AppliesPressureAsMemoryFillsAndLiftsItAgain) {
  server();
  auto held = memory().reserve(memory().cap() / 100 * 86);
  sim.run_for(300ms);
  EXPECT_EQ(server().pressure(), PressureLevel::high);
  EXPECT_THAT(metrics.prometheus(), testing::HasSubstr("sluice_memory_pressure_level 2\n"));
  held->release();
  sim.run_for(300ms);
  EXPECT_EQ(server().pressure(), PressureLevel::normal);
}

TEST_F(ServerTest, ClosesIdleConnectionsWhenMemoryIsNearlySpent) {
  auto busy = open();
  ASSERT_TRUE(send(*busy, echo_frame('w', "under way")));
  auto idle = open();
  auto held = memory().reserve(memory().cap() / 100 * 97);
  ASSERT_TRUE(held);
  EXPECT_TRUE(sim.run_until([&] { return server().connections() == 1; }, 3s));
  held->release();
  echo.release();
  EXPECT_EQ(receive(*busy, 14), echo_frame('w', "under way"));
}

TEST_F(ServerTest, AQuarterOfTheIdleClientsGivesWayASecondAndNoBroker) {
  echo.brokers_begin_with_control = true;
  const auto broker = open();
  ASSERT_TRUE(send(*broker, echo_frame('C', "heartbeat")));
  std::vector<std::unique_ptr<io::Socket>> clients;
  for (int i = 0; i < 16; ++i) clients.push_back(open());
  sim.run_for(2s);
  const size_t workers = node.runtime().executor.workers();
  ASSERT_EQ(16 % (4 * workers), 0U) << "each worker has a multiple of four";
  const auto held = memory().reserve(memory().cap() / 100 * 97);
  sim.run_for(500ms);
  const size_t left = server().connections();
  EXPECT_GE(left, 12U);
  EXPECT_LE(left, 14U);
  EXPECT_EQ(server().pressure(), PressureLevel::critical);
  sim.run_for(60s);
  EXPECT_EQ(server().connections(), 1U);
  ASSERT_TRUE(send(*broker, echo_frame('C', "still here")));
  EXPECT_EQ(receive(*broker, 14 + 15),
            echo_frame('C', "heartbeat") + echo_frame('C', "still here"));
}

TEST_F(ServerTest, WhileMemoryIsNearlySpentOnlyBrokersAreLetIn) {
  echo.brokers_begin_with_control = true;
  server();
  auto held = memory().reserve(memory().cap() / 100 * 97);
  sim.run_for(200ms);
  const auto client = open();
  ASSERT_TRUE(send(*client, echo_frame('e', "produce")));
  EXPECT_EQ(receive_all(*client), "");
  const auto silent = connect();
  EXPECT_EQ(receive_all(*silent), "");
  EXPECT_THAT(metrics.prometheus(),
              testing::HasSubstr("sluice_connections_refused_total{reason=\"memory\"} 2\n"));
  const auto broker = open();
  ASSERT_TRUE(send(*broker, echo_frame('C', "heartbeat")));
  EXPECT_EQ(receive(*broker, 14), echo_frame('C', "heartbeat"));
  held->release();
  sim.run_for(200ms);
  const auto later = open();
  ASSERT_TRUE(send(*later, echo_frame('e', "produce")));
  EXPECT_EQ(receive(*later, 12), echo_frame('e', "produce"));
}

TEST_F(ServerTest, BrokersAreServedThoughClientsTookAllThatIsTheirs) {
  echo.brokers_begin_with_control = true;
  const auto broker = open();
  auto held = clients().reserve(clients().cap() - clients().used());
  ASSERT_TRUE(held);
  ASSERT_TRUE(send(*broker, echo_frame('C', "heartbeat")));
  EXPECT_EQ(receive(*broker, 14), echo_frame('C', "heartbeat"));
  const auto another = open();
  ASSERT_TRUE(send(*another, echo_frame('C', "fetch")));
  EXPECT_EQ(receive(*another, 10), echo_frame('C', "fetch"));
}

TEST_F(ServerTest, AControlGroupThatFillsUpOrIsMadeSmallerPresses) {
  server();
  node.set_memory({.group_limit = 1000, .group_held = 500});
  sim.run_for(2s);
  EXPECT_EQ(server().pressure(), PressureLevel::normal);
  node.set_memory({.group_limit = 580, .group_held = 500});
  sim.run_for(2s);
  EXPECT_EQ(server().pressure(), PressureLevel::high);
  EXPECT_THAT(metrics.prometheus(),
              testing::HasSubstr("sluice_memory_pressure_changes_total{level=\"high\"} 1\n"));
  node.set_memory({});
  sim.run_for(2s);
  EXPECT_EQ(server().pressure(), PressureLevel::normal);
}

TEST_F(ServerTest, ABurstsBuffersAreGivenUpAMinuteAfterIt) {
  const auto client = open();
  const std::string large(200'000, 'x');
  ASSERT_TRUE(send(*client, echo_frame('e', large)));
  EXPECT_EQ(receive(*client, echo_frame('e', large).size()), echo_frame('e', large));
  const auto idle = [&] {
    const auto tiers = server().buffer_stats().idle;
    return std::accumulate(tiers.begin(), tiers.end(), size_t{0});
  };
  sim.run_for(2s);
  EXPECT_GT(idle(), 0U);
  sim.run_for(60s);
  EXPECT_EQ(idle(), 0U);
}

}  // namespace
}  // namespace sluice::broker
