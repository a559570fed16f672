#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/settings.h"
#include "broker/metadata/image.h"
#include "storage/options.h"

namespace sluice::broker {

/// What a topic can be told about itself.
struct TopicOptions {
  storage::LogOptions log;
  /// More than the topic has replicas counts as all of them.
  int32_t min_insync_replicas = 1;
  bool unclean_leader_election = false;
};

/// What topics get that say nothing else, and how many there may be.
struct TopicDefaults {
  TopicOptions options;
  uint32_t partitions = 1;
  uint32_t replication_factor = 1;
  /// Of the whole broker.
  uint64_t max_partitions = 100'000;
  /// What a topic that is created gets in its own configs.
  ConfigMap at_creation = {};
};

/// What the controller and all leaders must see alike does not come from each broker's own file:
/// where it differs from what is built in, it goes into the configs of topics that are created.
TopicDefaults agreed(TopicDefaults own);

/// The keys of topic configs: Kafka's, and `flush` with `flush_interval.ms`.
const SettingsTable<TopicOptions>& topic_settings();

/// The defaults with a topic's own configs on top. invalid_config names the key, the value and what
/// is allowed.
Result<TopicOptions> topic_options(const TopicOptions& defaults, const ConfigMap& configs);

/// What the controller must know of a topic; costs nothing where the topic does not set it.
struct ElectionRules {
  int32_t min_in_sync = 1;
  bool unclean = false;
};
ElectionRules election_rules(const TopicOptions& defaults, const ConfigMap& configs);

struct TopicConfigRow {
  enum class Source : uint8_t { fallback, broker, topic };
  std::string key;
  std::string value;
  Source source = Source::fallback;
  std::string documentation;
};
/// Every key with its value in force and where it comes from; `configs` are valid.
std::vector<TopicConfigRow> describe_topic_config(const TopicOptions& defaults,
                                                  const ConfigMap& configs);

}  // namespace sluice::broker
