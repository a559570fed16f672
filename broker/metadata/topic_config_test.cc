#include "broker/metadata/topic_config.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

std::string refusal_of(const ConfigMap& configs) {
  auto options = topic_options({}, configs);
  return options ? "" : std::string(options.error().message());
}

TEST(TopicConfig, PutsTheTopicsOwnOnTopOfTheDefaults) {
  TopicOptions defaults;
  defaults.log.retention_bytes = 77;
  const auto options = topic_options(
      defaults, {{"retention.ms", "1000"}, {"flush", "every"}, {"segment.bytes", "1 MiB"}});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->log.retention_ms, 1000);
  EXPECT_EQ(options->log.retention_bytes, 77);
  EXPECT_EQ(options->log.flush, storage::FlushPolicy::every);
  EXPECT_EQ(options->log.segment_bytes, 1_MiB);
}

TEST(TopicConfig, TakesEveryBuiltInValueAsKafkaWritesIt) {
  for (const TopicConfigRow& row : describe_topic_config({}, {})) {
    EXPECT_EQ(refusal_of({{row.key, row.value}}), "") << row.key << "=" << row.value;
  }
}

TEST(TopicConfig, CleanupPolicyIsDeleteCompactOrBoth) {
  const auto both = topic_options({}, {{"cleanup.policy", "compact,delete"}});
  ASSERT_TRUE(both);
  EXPECT_TRUE(both->log.cleanup_compact && both->log.cleanup_delete);
  const auto compact = topic_options({}, {{"cleanup.policy", "compact"}});
  ASSERT_TRUE(compact);
  EXPECT_TRUE(compact->log.cleanup_compact && !compact->log.cleanup_delete);
  EXPECT_NE(refusal_of({{"cleanup.policy", ""}}), "");
  EXPECT_NE(refusal_of({{"cleanup.policy", "shred"}}).find("shred"), std::string::npos);
}

TEST(TopicConfig, RefusesAnUnknownKeyAndNamesTheNearest) {
  const std::string refusal = refusal_of({{"retention.m", "5"}});
  EXPECT_NE(refusal.find("retention.m"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("retention.ms"), std::string::npos) << refusal;
}

TEST(TopicConfig, RefusesABadValueWithWhatIsAllowed) {
  const std::string refusal = refusal_of({{"flush", "sometimes"}});
  EXPECT_NE(refusal.find("sometimes"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("interval"), std::string::npos) << refusal;
}

TEST(TopicConfig, WhatAllBrokersMustSeeAlikeGoesIntoNewTopicsInsteadOfTheirDefaults) {
  TopicDefaults own;
  own.options.log.retention_ms = 5;
  EXPECT_TRUE(agreed(own).at_creation.empty());
  own.options.min_insync_replicas = 2;
  own.options.unclean_leader_election = true;
  const TopicDefaults defaults = agreed(own);
  EXPECT_EQ(defaults.options.log.retention_ms, 5);
  EXPECT_EQ(defaults.options.min_insync_replicas, 1);
  EXPECT_FALSE(defaults.options.unclean_leader_election);
  const ElectionRules rules = election_rules(defaults.options, defaults.at_creation);
  EXPECT_EQ(rules.min_in_sync, 2);
  EXPECT_TRUE(rules.unclean);
}

TEST(TopicConfig, TellsWhereAValueComesFrom) {
  TopicOptions defaults;
  defaults.log.retention_ms = 5;
  const auto rows = describe_topic_config(defaults, {{"segment.ms", "10"}});
  const auto source_of = [&](std::string_view key) {
    return std::ranges::find(rows, key, &TopicConfigRow::key)->source;
  };
  EXPECT_EQ(source_of("segment.ms"), TopicConfigRow::Source::topic);
  EXPECT_EQ(source_of("retention.ms"), TopicConfigRow::Source::broker);
  EXPECT_EQ(source_of("flush"), TopicConfigRow::Source::fallback);
}

}  // namespace
}  // namespace sluice::broker
