// Three brokers on hosts and disks of their own, one fault after the other, and a load whose
// history must be sound. FAULT_ROUNDS=N makes the faults last as long as in earnest and comes
// back to each N times.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <optional>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/cluster/faults/machines.h"
#include "tests/cluster/witness.h"

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kPartitions = 3;
constexpr seconds kGoesOnWithin{30};
constexpr seconds kHealsWithin{60};

int rounds() {
  const char* text = std::getenv("FAULT_ROUNDS");
  return text == nullptr ? 1 : std::max(1, std::atoi(text));
}

bool is_long() { return std::getenv("FAULT_ROUNDS") != nullptr; }

/// How long a fault lasts: longer than a session, so that the cluster has to act.
milliseconds fault_lasts() { return is_long() ? seconds(30) : seconds(4); }

bool comes_true(const std::function<bool()>& what, milliseconds limit) {
  const auto begun = std::chrono::steady_clock::now();
  while (!what()) {
    if (std::chrono::steady_clock::now() - begun > limit) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

class Faults : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root for network namespaces and loop devices";
    machines.emplace();
    machines->start();
    EXPECT_TRUE(machines->heals_within(kHealsWithin));
  }
  void TearDown() override {
    if (!machines) return;
    if (load) {
      EXPECT_TRUE(machines->heals_within(kHealsWithin));
      load->expect_sound();
      load.reset();
    }
    machines->stop_all();
    machines->expect_sound_logs();
    machines.reset();
  }

  void start_load(std::map<std::string, std::string> configs = {}) {
    configs.emplace("min.insync.replicas", "2");
    const auto created = machines->client()->admin()->create_topic(
        {.name = "t", .partitions = kPartitions, .replication_factor = 3, .configs = configs});
    ASSERT_TRUE(created) << created.error().message();
    load.emplace("t", kPartitions, [this] { return machines->client(); });
    expect_progress("the beginning");
  }
  /// Writes go on, and the pause they made is told.
  void expect_progress(const std::string& after) {
    EXPECT_TRUE(witness().wait_for_more(500, kGoesOnWithin)) << "after " << after;
    std::printf("%-40s longest pause of acknowledgements %5.2f s\n", after.c_str(),
                static_cast<double>(witness().longest_pause().count()) / 1e3);
    witness().watch_pauses();
  }
  /// The fault was survived, and all is as before.
  void expect_healed(const std::string& after) {
    EXPECT_TRUE(machines->heals_within(kHealsWithin)) << "after " << after;
    expect_progress(after);
  }
  Witness& witness() { return load->witness(); }

  std::optional<Machines> machines;
  std::optional<WitnessedLoad> load;
};

TEST_F(Faults, AKilledLeader) {
  start_load();
  for (int round = 0; round < rounds(); ++round) {
    const int leader = machines->leader_of("t");
    ASSERT_GT(leader, 0);
    machines->kill(leader);
    expect_progress("kill -9 of a leader");
    machines->launch(leader);
    ASSERT_TRUE(machines->wait_until_ready(leader));
    expect_healed("its return");
  }
}

TEST_F(Faults, AKilledController) {
  start_load();
  for (int round = 0; round < rounds(); ++round) {
    const int controller = machines->controller();
    ASSERT_GT(controller, 0);
    machines->kill(controller);
    expect_progress("kill -9 of the controller");
    machines->launch(controller);
    ASSERT_TRUE(machines->wait_until_ready(controller));
    expect_healed("its return");
  }
}

TEST_F(Faults, APausedLeaderThatWakesUp) {
  start_load();
  for (int round = 0; round < rounds(); ++round) {
    const int leader = machines->leader_of("t");
    ASSERT_GT(leader, 0);
    machines->pause(leader);
    std::this_thread::sleep_for(fault_lasts());
    expect_progress("a pause of a leader");
    machines->resume(leader);
    expect_healed("its awakening");
  }
}

TEST_F(Faults, ALeaderThatHearsNobody) {
  start_load();
  for (int round = 0; round < rounds(); ++round) {
    const int leader = machines->leader_of("t");
    ASSERT_GT(leader, 0);
    for (int id = 1; id <= machines->count(); ++id) {
      if (id != leader) machines->network().cut_one_way(id, leader);
    }
    std::this_thread::sleep_for(fault_lasts());
    expect_progress("a leader that hears no broker");
    machines->network().heal();
    expect_healed("its recovery");
  }
}

TEST_F(Faults, ALeaderThatNobodyHears) {
  start_load();
  for (int round = 0; round < rounds(); ++round) {
    const int leader = machines->leader_of("t");
    ASSERT_GT(leader, 0);
    for (int id = 1; id <= machines->count(); ++id) {
      if (id != leader) machines->network().cut_one_way(leader, id);
    }
    std::this_thread::sleep_for(fault_lasts());
    expect_progress("a leader that no broker hears");
    machines->network().heal();
    expect_healed("its recovery");
  }
}

TEST_F(Faults, ALeaderAloneAcknowledgesNothing) {
  start_load();
  for (int round = 0; round < rounds(); ++round) {
    const int leader = machines->leader_of("t");
    ASSERT_GT(leader, 0);
    const auto producer = std::make_unique<WitnessedProducer>(
        witness(), machines->client_on(machines->island(), {leader}), client::ProducerOptions{});
    EXPECT_TRUE(comes_true([&] { return producer->acknowledged() > 0; }, kGoesOnWithin));
    for (int id = 1; id <= machines->count(); ++id) {
      if (id == leader) continue;
      machines->network().cut(id, leader);
      machines->network().cut(id, machines->island());
    }
    // What was on its way may still arrive.
    std::this_thread::sleep_for(milliseconds(500));
    const size_t before = producer->acknowledged();
    std::this_thread::sleep_for(fault_lasts());
    expect_progress("a leader alone");
    EXPECT_EQ(producer->acknowledged(), before) << "a minority acknowledged";
    EXPECT_NE(machines->leader_of("t", 0, leader % machines->count() + 1), leader);
    machines->network().heal();
    expect_healed("the end of its loneliness");
    const size_t then = producer->acknowledged();
    EXPECT_TRUE(comes_true([&] { return producer->acknowledged() > then; }, kHealsWithin))
        << "who was cut off with it goes on, too";
  }
}

TEST_F(Faults, AFullDisk) {
  start_load();
  for (int round = 0; round < rounds(); ++round) {
    const int leader = machines->leader_of("t");
    ASSERT_GT(leader, 0);
    machines->disk(leader).fill();
    std::this_thread::sleep_for(fault_lasts() / 2);
    expect_progress("a full disk");
    machines->disk(leader).free();
    if (!machines->is_running(leader)) {
      machines->kill(leader);
      machines->launch(leader);
      ASSERT_TRUE(machines->wait_until_ready(leader));
    }
    expect_healed("space again");
  }
}

TEST_F(Faults, APowerCutOfOne) {
  start_load({{"flush", "every"}});
  for (int round = 0; round < rounds(); ++round) {
    const int leader = machines->leader_of("t");
    ASSERT_GT(leader, 0);
    machines->cut_power({leader});
    expect_progress("a power cut of a leader");
    machines->launch(leader);
    ASSERT_TRUE(machines->wait_until_ready(leader));
    expect_healed("its boot");
  }
}

TEST_F(Faults, APowerCutOfOneThatDidNotFlush) {
  if (!is_long()) GTEST_SKIP() << "the short set cuts the power of brokers that flush";
  start_load();
  for (int round = 0; round < rounds(); ++round) {
    const int leader = machines->leader_of("t");
    ASSERT_GT(leader, 0);
    machines->cut_power({leader});
    expect_progress("a power cut without flush");
    machines->launch(leader);
    ASSERT_TRUE(machines->wait_until_ready(leader));
    expect_healed("its boot");
  }
}

TEST_F(Faults, APowerCutOfAll) {
  start_load({{"flush", "every"}});
  for (int round = 0; round < rounds(); ++round) {
    machines->cut_power({1, 2, 3});
    machines->start();
    expect_healed("a power cut of all");
  }
}

TEST_F(Faults, ARollingRestart) {
  start_load();
  for (int round = 0; round < rounds(); ++round) {
    for (int id = 1; id <= machines->count(); ++id) {
      machines->stop(id);
      machines->launch(id);
      ASSERT_TRUE(machines->wait_until_ready(id));
      expect_healed("a restart");
    }
  }
  EXPECT_EQ(witness().failed_count(), 0U);
}

}  // namespace
}  // namespace sluice::cluster
