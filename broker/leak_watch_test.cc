#include "broker/leak_watch.h"

#include <cmath>
#include <functional>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/random.h"

namespace sluice::broker {
namespace {

using testing::IsEmpty;
using testing::Not;

constexpr int kHour = 60;
constexpr int kDay = 24 * kHour;

/// A broker over some days, a sample a minute: quiet at night, ten times as busy at noon, with
/// noise on everything; a topic more every hour, bursts, a cache that fills in the morning.
class Days {
 public:
  explicit Days(uint64_t seed) : random_(seed) {}

  LeakSample minute(int now) {
    const double busy = 1 + 4.5 * (1 - std::cos(2 * std::numbers::pi * now / kDay));
    LeakSample sample;
    sample.scales = {.connections = noisy(200 * busy),
                     .partitions = 100.0 + now / kHour,
                     .producers = noisy(400 * busy),
                     .traffic = noisy(1e9 * busy)};
    const double burst = random_.next() % 50 == 0 ? 40e6 : 0;
    const double cache = now % kDay > 8 * kHour ? 6e6 : 1e6;
    sample.nodes = {{"unreserved/connections", bytes(sample.scales.connections * 2560)},
                    {"unreserved/network_buffers", bytes(noisy(8e6 * busy) + burst)},
                    {"unreserved/fetch_sessions", bytes(noisy(20e3 * busy))},
                    {"unreserved/storage/producer_state", bytes(sample.scales.producers * 432)},
                    {"unreserved/storage/compaction", bytes(now % 90 < 20 ? 64e6 : 0)},
                    {"unattributed", bytes(noisy(3e6 + 400e3 * busy) + cache)}};
    return sample;
  }

 private:
  static size_t bytes(double value) { return static_cast<size_t>(value); }
  double noisy(double value) {
    return value * (0.9 + 0.2 * static_cast<double>(random_.next() % 1000) / 1000);
  }
  SeededRandom random_;
};

using Change = std::function<void(int now, LeakSample& sample)>;

std::vector<Leak> leaks_of(int from, int until, const Change& change = nullptr, uint64_t seed = 1,
                           LeakOptions options = {}) {
  Days days(seed);
  LeakWatch watch(options);
  std::vector<Leak> all;
  for (int now = from; now < until; ++now) {
    LeakSample sample = days.minute(now);
    if (change) change(now, sample);
    for (Leak& leak : watch.add(sample)) all.push_back(std::move(leak));
  }
  return all;
}

Change leaking(std::string node, size_t bytes_per_minute) {
  return [node = std::move(node), bytes_per_minute](int now, LeakSample& sample) {
    for (auto& each : sample.nodes) {
      if (each.name == node) each.bytes += bytes_per_minute * static_cast<size_t>(now);
    }
  };
}

TEST(LeakWatch, DaysWithChangingLoadGiveNoWarning) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_THAT(leaks_of(0, 7 * kDay, nullptr, seed), IsEmpty()) << "seed " << seed;
  }
}

TEST(LeakWatch, ALeakIsFoundWithinTheDayAndNamed) {
  for (const auto* node : {"unreserved/connections", "unreserved/fetch_sessions",
                           "unreserved/storage/producer_state", "unattributed"}) {
    const auto found = leaks_of(0, kDay, leaking(node, 200_KiB));
    ASSERT_THAT(found, Not(IsEmpty())) << node;
    for (const Leak& leak : found) EXPECT_EQ(leak.node, node);
    EXPECT_GT(found.front().now, found.front().before);
  }
}

TEST(LeakWatch, OfOneThatLoadHidesTheNightTells) {
  const auto found = leaks_of(0, 2 * kDay, leaking("unreserved/network_buffers", 400_KiB));
  ASSERT_THAT(found, Not(IsEmpty()));
  EXPECT_EQ(found.front().node, "unreserved/network_buffers");
  EXPECT_EQ(found.front().measured_by, "connections and traffic");
}

/// One node, level load: exactly what is told and when.
class LevelTest : public ::testing::Test {
 protected:
  std::vector<Leak> add(size_t bytes, double connections = 10) {
    return watch_.add(
        {.nodes = {{"unreserved/connections", bytes}}, .scales = {.connections = connections}});
  }
  static constexpr LeakOptions kOptions{
      .samples_in_window = 2, .windows = 3, .growth_percent = 20, .least_growth = 100};
  LeakWatch watch_{kOptions};
};

TEST_F(LevelTest, IsToldAfterSoManyWindowsAndAgainWhileItGoesOn) {
  std::vector<size_t> told;
  for (size_t i = 0; i < 18; ++i) {
    for (const Leak& leak : add(1000 + 100 * i)) {
      told.push_back(i);
      EXPECT_EQ(leak.before, 1000u);
      EXPECT_EQ(leak.measured_by, "connections");
    }
  }
  // The first window is what the three are measured against; then every three.
  EXPECT_EQ(told, (std::vector<size_t>{7, 13}));
  ASSERT_EQ(watch_.suspects().size(), 1u);
  EXPECT_EQ(watch_.suspects()[0].windows, 8u);
}

TEST_F(LevelTest, WhatComesDownIsSuspectedNoMore) {
  for (size_t i = 0; i < 8; ++i) add(1000 + 100 * i);
  EXPECT_EQ(watch_.suspects().size(), 1u);
  add(1500);
  add(1500);
  EXPECT_THAT(watch_.suspects(), IsEmpty());
}

TEST_F(LevelTest, WhatGrowsWithItsConnectionsIsNoLeak) {
  for (size_t i = 0; i < 40; ++i) {
    const double connections = 10.0 + static_cast<double>(i);
    EXPECT_THAT(add(static_cast<size_t>(connections * 100), connections), IsEmpty());
  }
  EXPECT_THAT(watch_.suspects(), IsEmpty());
}

TEST_F(LevelTest, OneStepInGrowthThatLoadExplainsIsNoLeak) {
  for (size_t i = 0; i < 40; ++i) {
    const double connections = 10.0 + static_cast<double>(i);
    const size_t cache = i < 5 ? 0 : 5000;
    EXPECT_THAT(add(static_cast<size_t>(connections * 100) + cache, connections), IsEmpty()) << i;
  }
}

TEST_F(LevelTest, OneStepAndSmallGrowthAreNoLeak) {
  for (size_t i = 0; i < 20; ++i) EXPECT_THAT(add(i < 9 ? 1000 : 5000), IsEmpty());
  // Above each window before, and 9 % in all.
  LeakWatch small(kOptions);
  for (size_t i = 0; i < 20; ++i) {
    const LeakSample sample{.nodes = {{"unreserved/connections", 10'000 + 50 * i}}, .scales = {}};
    EXPECT_THAT(small.add(sample), IsEmpty());
  }
}

}  // namespace
}  // namespace sluice::broker
