#include <fstream>
#include <iterator>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/command_line.h"
#include "io/memory_plan.h"
#include "tests/support/broker_world.h"

namespace sluice::broker {
namespace {

using testing::BrokerWorld;

struct Profile {
  std::string name;
  size_t memory;
  uint32_t partitions;
  size_t connections;
};

void PrintTo(const Profile& profile, std::ostream* out) { *out << profile.name; }

const std::vector<Profile>& profiles() {
  static const std::vector<Profile> kProfiles = {{"development", 1_GiB, 100, 100},
                                                 {"production-small", 4_GiB, 2'000, 1'000},
                                                 {"production-medium", 6_GiB, 10'000, 5'000},
                                                 {"production-large", 8_GiB, 30'000, 10'000}};
  return kProfiles;
}

std::string text_of(const std::string& name) {
  std::ifstream file(SLUICE_CONFIG_DIR "/profiles/" + name + ".toml");
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// As `sluiced --config` takes it, on the machine of a BrokerWorld.
Result<SettingsTable<BrokerOptions>::Loaded> load(const Profile& profile, std::string_view text) {
  std::vector<std::string> warnings;
  return load_options({.data = "/data",
                       .listen = "broker-1:9092",
                       .admin = "broker-1:9644",
                       .config = profile.name + ".toml"},
                      text, {}, warnings);
}

BrokerOptions options_of(const Profile& profile) {
  auto loaded = load(profile, text_of(profile.name));
  if (!loaded) {
    ADD_FAILURE() << loaded.error().message();
    return {};
  }
  // On a machine that is large enough for all of them.
  const auto plan = io::plan_memory(loaded->options.memory_max, 2, {.machine = 128_GiB});
  if (plan) loaded->options.memory_bytes = plan->cap;
  EXPECT_TRUE(plan);
  return std::move(loaded->options);
}

class Profiles : public ::testing::TestWithParam<Profile> {};

TEST_P(Profiles, SetTheCeilingsOfTheirMachine) {
  const BrokerOptions options = options_of(GetParam());
  EXPECT_EQ(options.memory_bytes, GetParam().memory);
  EXPECT_EQ(options.topics.max_partitions, GetParam().partitions);
  EXPECT_EQ(options.server.max_connections, GetParam().connections);
}

TEST_P(Profiles, BootABrokerThatTakesRecords) {
  BrokerWorld world;
  world.options = [] { return options_of(GetParam()); };
  ASSERT_TRUE(world.start());
  const auto topic = world.create("orders", 3);
  ASSERT_TRUE(topic) << topic.error().message();
  EXPECT_EQ(world.produce(*topic, "one").base_offset, Offset{0});
  EXPECT_TRUE(world.stop());
}

TEST_P(Profiles, RefuseOneTopicMoreThanTheirPartitions) {
  BrokerWorld world;
  world.options = [] { return options_of(GetParam()); };
  ASSERT_TRUE(world.start());
  const auto refused = world.create("orders", GetParam().partitions + 1);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find(std::to_string(GetParam().partitions)),
            std::string::npos)
      << refused.error().message();
}

TEST_P(Profiles, RefuseAMisspelledKeyWithFileLineAndTheKeyThatIsMeant) {
  const std::string text = "max.partition = 5\n" + text_of(GetParam().name);
  const auto loaded = load(GetParam(), text);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error(), Errc::invalid_config);
  EXPECT_EQ(loaded.error().message(), GetParam().name +
                                          ".toml:1: unknown key \"max.partition\"; did you mean "
                                          "\"max.partitions\"?");
}

TEST_P(Profiles, ExplainEveryKey) {
  std::istringstream lines(text_of(GetParam().name));
  bool explained = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) explained = false;
    if (line.starts_with("# ")) explained = true;
    if (!line.empty() && !line.starts_with('#')) EXPECT_TRUE(explained) << line;
  }
}

INSTANTIATE_TEST_SUITE_P(Shipped, Profiles, ::testing::ValuesIn(profiles()),
                         [](const ::testing::TestParamInfo<Profile>& info) {
                           std::string name = info.param.name;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace sluice::broker
