#include "client/cli/doctor/broker_settings.h"

#include <fstream>
#include <iterator>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/contexts.h"
#include "client/cli/doctor/profile.h"

namespace sluice::cli::doctor {
namespace {

using ::testing::HasSubstr;

std::string shipped(const std::string& name) {
  std::ifstream file(SLUICE_CONFIG_DIR "/" + name);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// sluiced.toml with every key set to what it is anyway.
std::string built_in_values() {
  std::istringstream lines(shipped("sluiced.toml"));
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#') && !line.starts_with("# ")) text += line.substr(1) + "\n";
  }
  return text;
}

TEST(BrokerSettings, HaveTheNamesAndBuiltInValuesOfTheBroker) {
  const auto assignments = read_toml(built_in_values(), "sluiced.toml");
  ASSERT_TRUE(assignments) << assignments.error().message();
  const BrokerSettings built_in;
  for (const auto& row : broker_settings().rows()) {
    const auto theirs = std::ranges::find(*assignments, row.spec.key, &SettingAssignment::key);
    ASSERT_NE(theirs, assignments->end()) << row.spec.key << " is no key of sluiced.toml";
    const auto value = row.spec.parse(theirs->text);
    ASSERT_TRUE(value) << value.error().message();
    EXPECT_EQ(row.spec.plain(*value), row.spec.plain(row.get(built_in))) << row.spec.key;
  }
}

TEST(BrokerSettings, TheShippedProfilesAreThoseOfTheTable) {
  for (const Profile& profile : profiles()) {
    const std::string file = "profiles/" + std::string(profile.name) + ".toml";
    const auto parsed = parse_broker_settings({.text = shipped(file), .file = file});
    ASSERT_TRUE(parsed) << parsed.error().message();
    const auto settings = on_machine(*parsed, {.machine = profile.machine});
    ASSERT_TRUE(settings) << settings.error().message();
    EXPECT_EQ(settings->memory, profile.broker) << file;
    EXPECT_EQ(settings->partitions, profile.partitions) << file;
    EXPECT_EQ(settings->connections, profile.connections) << file;
    EXPECT_EQ(settings->open_files, profile.open_files) << file;
  }
}

TEST(BrokerSettings, TheCapIsWhatItComesToOnTheMachine) {
  const auto cap = [](const std::string& wanted, io::MemoryReading machine) -> uint64_t {
    const auto settings = on_machine({.memory_max = wanted}, machine);
    return settings ? settings->memory : 0;
  };
  EXPECT_EQ(cap("auto", {.machine = 20_GiB}), 2_GiB);
  EXPECT_EQ(cap("auto", {.machine = 20_GiB, .group_limit = 10_GiB}), 1_GiB);
  EXPECT_EQ(cap("25%", {.machine = 20_GiB}), 5_GiB);
  EXPECT_EQ(cap("22GiB", {.machine = 20_GiB}), 22_GiB);
  EXPECT_EQ(cap("95%", {.machine = 20_GiB}), 0u);
  EXPECT_EQ(cap("much", {.machine = 20_GiB}), 0u);
}

TEST(BrokerSettings, LaterSourcesWinAndOtherKeysOfTheFileArePassedOver) {
  const auto settings = parse_broker_settings(
      {.text = "node.id = 3\nconnections.limit = 1\nmax.partitions = 1\nfiles.open.max = 100\n",
       .file = "f.toml",
       .variables = {"SLUICE_CONNECTIONS_LIMIT=2", "SLUICE_MAX_PARTITIONS=2"},
       .set = {"connections.limit=3"}});
  ASSERT_TRUE(settings) << settings.error().message();
  EXPECT_EQ(settings->connections, 3u);
  EXPECT_EQ(settings->partitions, 2u);
  EXPECT_EQ(settings->open_files, 100u);
}

TEST(BrokerSettings, AreRefusedByFileLineKeyAndValue) {
  const auto bad = parse_broker_settings({.text = "\nmax.partitions = 0\n", .file = "f.toml"});
  ASSERT_FALSE(bad);
  EXPECT_THAT(std::string(bad.error().message()), HasSubstr("f.toml:2: max.partitions: \"0\""));
  const auto no_toml = parse_broker_settings({.text = "a = 1\nb = ", .file = "f.toml"});
  ASSERT_FALSE(no_toml);
  EXPECT_THAT(std::string(no_toml.error().message()), HasSubstr("f.toml:2"));
  const auto unknown = parse_broker_settings({.set = {"max.partition=1"}});
  ASSERT_FALSE(unknown);
  EXPECT_THAT(std::string(unknown.error().message()), HasSubstr("did you mean \"max.partitions\""));
}

TEST(BrokerSettings, AreReadInOneProgramWithContexts) {
  // Two parsers of TOML, built in different ways, once overwrote each other.
  EXPECT_TRUE(parse_contexts("current = \"a\"\n", "client.toml"));
  EXPECT_TRUE(parse_broker_settings({.text = "workers = 1\n", .file = "f.toml"}));
  EXPECT_FALSE(parse_contexts("current = ", "client.toml"));
}

}  // namespace
}  // namespace sluice::cli::doctor
