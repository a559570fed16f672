#include "base/settings.h"

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/time.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

enum class Flush : uint8_t { none, every };

struct TopicOptions {
  size_t segment_bytes = 1_GiB;
  int64_t retention_ms = 604'800'000;
  Flush flush = Flush::none;
  bool compact = false;
};

struct NodeOptions {
  uint16_t port = 9092;
  size_t memory = 1_GiB;
  Duration drain = 10s;
  double ratio = 0.5;
  std::string password;
  std::vector<std::string> directories = {"data"};
  TopicOptions topic;
};

SettingsTable<TopicOptions> topic_table() {
  SettingsTable<TopicOptions> table;
  table.add("segment.bytes", &TopicOptions::segment_bytes, "Rolled at this size.",
            between(14, 2_GiB));
  table.add("retention.ms", &TopicOptions::retention_ms, "Kept that long; -1: for ever.",
            at_least(-1));
  table.add_choice("flush", &TopicOptions::flush, {{"none", Flush::none}, {"every", Flush::every}},
                   "When appends are synced.");
  table.add_custom(
      {.key = "cleanup.policy", .kind = SettingKind::list, .choices = {"delete", "compact"}},
      [](const TopicOptions& o) {
        return std::vector<std::string>{o.compact ? "compact" : "delete"};
      },
      [](TopicOptions& o, const SettingValue& value) {
        const auto& policies = std::get<std::vector<std::string>>(value);
        o.compact = std::ranges::find(policies, "compact") != policies.end();
      });
  return table;
}

SettingsTable<NodeOptions> node_table() {
  SettingsTable<NodeOptions> table;
  table.add("port", &NodeOptions::port, "The port to listen on.", at_least(1));
  table.add_bytes("memory.max", &NodeOptions::memory, "The cap.", at_least(64_MiB));
  table.add("drain.timeout", &NodeOptions::drain, "How long a stop waits.", between(0s, 5min));
  table.add("clean.ratio", &NodeOptions::ratio, "Dirty part.", between(0.0, 1.0));
  table.add_secret("password", &NodeOptions::password, "The password.");
  table.add("directories", &NodeOptions::directories, "Where logs live.");
  table.include("log.", topic_table(), &NodeOptions::topic);
  return table;
}

std::string problems_of(const SettingsTable<NodeOptions>& table, std::string_view toml) {
  const auto assignments = read_toml(toml, "sluiced.toml");
  if (!assignments) return std::string(assignments.error().message());
  const auto loaded = table.load(*assignments);
  return loaded ? "none" : std::string(loaded.error().message());
}

TEST(Settings, KeepsBuiltInValuesThatNobodyAssigned) {
  const auto table = node_table();
  const auto loaded = table.load({}).value();
  EXPECT_EQ(loaded.options.port, 9092);
  EXPECT_EQ(loaded.options.topic.segment_bytes, 1_GiB);
  EXPECT_EQ(loaded.effective.size(), 10U);
}

TEST(Settings, FillsEveryKindOfMemberFromToml) {
  const auto table = node_table();
  const auto assignments = read_toml(R"(
port = 9999
memory.max = "256 MiB"
drain.timeout = "30s"
clean.ratio = 0.25
password = "secret"
directories = ["/a", "/b"]
[log]
segment.bytes = 1048576
retention.ms = "1d"
flush = "every"
cleanup.policy = ["compact"]
)",
                                     "sluiced.toml");
  const auto options = table.load(assignments.value()).value().options;
  EXPECT_EQ(options.port, 9999);
  EXPECT_EQ(options.memory, 256_MiB);
  EXPECT_EQ(options.drain, 30s);
  EXPECT_EQ(options.ratio, 0.25);
  EXPECT_EQ(options.password, "secret");
  EXPECT_THAT(options.directories, ElementsAre("/a", "/b"));
  EXPECT_EQ(options.topic.segment_bytes, 1_MiB);
  EXPECT_EQ(options.topic.retention_ms, 86'400'000);
  EXPECT_EQ(options.topic.flush, Flush::every);
  EXPECT_TRUE(options.topic.compact);
}

TEST(Settings, LetsArgumentsWinOverEnvironmentOverFile) {
  const auto table = node_table();
  const auto specs = table.specs();
  auto all = read_toml("port = 1\nmemory.max = \"1GiB\"\nclean.ratio = 0.1", "f.toml").value();
  const std::vector<std::string> variables = {"SLUICE_PORT=2", "SLUICE_MEMORY_MAX=2GiB", "PATH=/"};
  std::vector<std::string> unknown;
  for (auto& one : read_environment(specs, variables, unknown)) all.push_back(one);
  for (auto& one : read_arguments(std::array<std::string, 1>{"port=3"}).value()) all.push_back(one);
  const auto loaded = table.load(all).value();
  EXPECT_EQ(loaded.options.port, 3);
  EXPECT_EQ(loaded.options.memory, 2_GiB);
  EXPECT_EQ(loaded.options.ratio, 0.1);
  const std::string shown = render_effective(loaded.effective);
  EXPECT_THAT(shown, HasSubstr("port = 3  # command line\n"));
  EXPECT_THAT(shown, HasSubstr("memory.max = \"2 GiB\"  # environment SLUICE_MEMORY_MAX\n"));
  EXPECT_THAT(shown, HasSubstr("clean.ratio = 0.1  # file f.toml:3\n"));
  EXPECT_THAT(shown, HasSubstr("drain.timeout = \"10s\"  # built-in\n"));
}

TEST(Settings, ReportsUnknownVariablesOfOursWithoutRefusingThem) {
  const auto table = node_table();
  const auto specs = table.specs();
  const std::vector<std::string> variables = {"SLUICE_SERVICE_HOST=10.0.0.1", "HOME=/", "SLUICE_X"};
  std::vector<std::string> unknown;
  EXPECT_TRUE(read_environment(specs, variables, unknown).empty());
  EXPECT_THAT(unknown, ElementsAre("SLUICE_SERVICE_HOST"));
}

TEST(Settings, RefusesUnknownKeysAndNamesTheNearest) {
  const auto table = node_table();
  EXPECT_EQ(problems_of(table, "\n[log]\nsegmnt.bytes = 100"),
            "sluiced.toml:3: unknown key \"log.segmnt.bytes\"; did you mean "
            "\"log.segment.bytes\"?");
  EXPECT_EQ(problems_of(table, "quite_another_thing = 1"),
            "sluiced.toml:1: unknown key \"quite_another_thing\"");
}

TEST(Settings, RefusesBadValuesWithFileLineValueAndRangeAllAtOnce) {
  const auto table = node_table();
  EXPECT_EQ(problems_of(table, "port = 70000\nlog.segment.bytes = \"5 apples\""),
            "sluiced.toml:1: port: \"70000\" is not allowed; give a whole number from 1 to 65535\n"
            "sluiced.toml:2: log.segment.bytes: \"5 apples\" is not allowed; give a size from 14 B "
            "to 2 GiB (such as 64MiB, or bytes)");
}

TEST(Settings, RefusesWhatIsNoToml) {
  const auto table = node_table();
  EXPECT_THAT(problems_of(table, "port = 1\nport = "), HasSubstr("sluiced.toml:2: "));
  EXPECT_THAT(problems_of(table, "port = 1\nport = 2"), HasSubstr("sluiced.toml:2: "));
  EXPECT_THAT(problems_of(table, "port = 1979-05-27"),
              HasSubstr("sluiced.toml:1: port: no setting"));
  EXPECT_THAT(problems_of(table, "directories = [[1]]"), HasSubstr("no setting takes"));
  EXPECT_THAT(problems_of(table, "directories = [\"a,b\"]"), HasSubstr("without commas"));
  EXPECT_EQ(problems_of(table, "log.flush = \"none\"\n\"log.flush\" = \"every\""),
            "sluiced.toml:2: log.flush was given before, at sluiced.toml:1; remove one");
}

TEST(Settings, RefusesArgumentsThatAreNoAssignment) {
  const auto refused = read_arguments(std::array<std::string, 1>{"port"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(),
            "--set: \"port\" is not an assignment; write --set key=value");
  EXPECT_EQ(read_arguments(std::array<std::string, 1>{"a=b=c"}).value()[0].text, "b=c");
}

TEST(Settings, AppliesATopicsConfigsOnTopOfTheNodes) {
  const TopicOptions node{.segment_bytes = 5_MiB, .retention_ms = 7};
  const auto options = topic_table().apply({{"retention.ms", "-1"}}, node).value();
  EXPECT_EQ(options.segment_bytes, 5_MiB);
  EXPECT_EQ(options.retention_ms, -1);
  const auto refused = topic_table().apply({{"retention.ms", "soon"}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error(), Errc::invalid_config);
  EXPECT_THAT(refused.error().message(), HasSubstr("retention.ms: \"soon\" is not allowed"));
}

TEST(Settings, DocumentsEveryKeySoThatTheFileWithoutCommentsIsValid) {
  const auto table = node_table();
  std::string text = table.render_documented();
  EXPECT_THAT(text, HasSubstr("# Rolled at this size.\n"
                              "# Takes a size from 14 B to 2 GiB (such as 64MiB, or bytes).\n"
                              "#log.segment.bytes = \"1 GiB\"\n"));
  for (size_t at = 0; (at = text.find("\n#", at)) != std::string::npos; ++at) {
    if (text[at + 2] != ' ') text.erase(at + 1, 1);
  }
  EXPECT_EQ(read_toml(text, "x.toml").value().size(), 10U);
  EXPECT_EQ(problems_of(table, text), "none");
}

TEST(Settings, ShowsWhatIsInForceAsTomlWithoutSecrets) {
  const auto table = node_table();
  const auto loaded = table.load(read_toml("password = \"hunter2\"", "f.toml").value()).value();
  const std::string shown = render_effective(loaded.effective);
  EXPECT_THAT(shown, Not(HasSubstr("hunter2")));
  EXPECT_THAT(shown, HasSubstr("#password is not shown  # file f.toml:1\n"));
  EXPECT_EQ(problems_of(table, shown), "none");
}

TEST(Settings, FindsTheNearestKeyOrNone) {
  const auto table = topic_table();
  EXPECT_EQ(nearest_key(table.specs(), "retention_ms"), "retention.ms");
  EXPECT_EQ(nearest_key(table.specs(), "flsh"), "flush");
  EXPECT_EQ(nearest_key(table.specs(), "zzzzzz"), "");
}

TEST(SettingsDeathTest, DiesWhenAKeyIsDeclaredTwiceOrIsTheTableOfAnother) {
  auto table = topic_table();
  EXPECT_DEATH(table.add("flush", &TopicOptions::compact, ""), "declared once");
  table.add("flush.now", &TopicOptions::compact, "");
  EXPECT_DEATH(table.render_documented(), "the table of another");
}

}  // namespace
}  // namespace sluice
