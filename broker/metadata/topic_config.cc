#include "broker/metadata/topic_config.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sluice::broker {
namespace {

using storage::FlushPolicy;
using storage::TimestampType;
using storage::TopicCompression;

constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();

template <auto Member>
auto log_member() {
  return [](auto& options) -> auto& { return options.log.*Member; };
}

bool contains(const std::vector<std::string>& values, std::string_view value) {
  return std::ranges::find(values, value) != values.end();
}

void add_cleanup_policy(SettingsTable<TopicOptions>& table) {
  SettingSpec spec{"cleanup.policy", SettingKind::list,
                   "What happens to old records: delete (by retention), compact (keep the last of "
                   "each key), or both."};
  spec.choices = {"delete", "compact"};
  table.add_custom(
      std::move(spec),
      [](const TopicOptions& options) -> SettingValue {
        std::vector<std::string> policies;
        if (options.log.cleanup_compact) policies.emplace_back("compact");
        if (options.log.cleanup_delete) policies.emplace_back("delete");
        return policies;
      },
      [](TopicOptions& options, const SettingValue& value) {
        const auto& policies = std::get<std::vector<std::string>>(value);
        options.log.cleanup_compact = contains(policies, "compact");
        options.log.cleanup_delete = contains(policies, "delete");
      });
}

void add_retention(SettingsTable<TopicOptions>& table) {
  using storage::LogOptions;
  table.add("retention.ms", log_member<&LogOptions::retention_ms>(),
            "Records older than this are deleted, by whole segments; -1 keeps them for ever.",
            at_least(-1));
  table.add("retention.bytes", log_member<&LogOptions::retention_bytes>(),
            "A partition larger than this loses its oldest segments; -1 sets no limit.",
            at_least(-1));
  add_cleanup_policy(table);
  table.add("delete.retention.ms", log_member<&LogOptions::delete_retention_ms>(),
            "How long compaction keeps tombstones, so that readers see them.", at_least(0));
  table.add("min.compaction.lag.ms", log_member<&LogOptions::min_compaction_lag_ms>(),
            "Records younger than this are not compacted.", at_least(0));
  table.add("min.cleanable.dirty.ratio", log_member<&LogOptions::min_cleanable_dirty_ratio>(),
            "The share of a log that must be uncompacted before it is compacted.",
            between(0.0, 1.0));
  table.add("file.delete.delay.ms", log_member<&LogOptions::file_delete_delay_ms>(),
            "How long the files of a deleted segment stay.", at_least(0));
}

void add_segments(SettingsTable<TopicOptions>& table) {
  using storage::LogOptions;
  table.add("segment.bytes", log_member<&LogOptions::segment_bytes>(),
            "A segment is sealed at this size.", between(1_KiB, kMaxInt));
  table.add("segment.ms", log_member<&LogOptions::segment_ms>(),
            "A segment is sealed when its records span this time.", at_least(1));
  table.add("segment.index.bytes", log_member<&LogOptions::segment_index_bytes>(),
            "A segment is sealed when an index reaches this size.", between(64, kMaxInt));
  table.add("index.interval.bytes", log_member<&LogOptions::index_interval_bytes>(),
            "Bytes of records between two index entries.", between(0, kMaxInt));
  table.add("flush_interval.ms", log_member<&LogOptions::flush_interval_ms>(),
            "With flush = interval, how much time of records a power cut may take.", at_least(1));
  table.add_choice("flush", log_member<&LogOptions::flush>(),
                   {{"none", FlushPolicy::none},
                    {"interval", FlushPolicy::interval},
                    {"every", FlushPolicy::every}},
                   "When records are forced to the device: none (the kernel decides, replicas are "
                   "the promise), interval, or every acknowledgement.");
}

void add_records(SettingsTable<TopicOptions>& table) {
  using storage::LogOptions;
  table.add("max.message.bytes", log_member<&LogOptions::max_message_bytes>(),
            "The largest record batch, as it is sent.", between(64, 64_MiB));
  table.add_choice("compression.type", log_member<&LogOptions::compression>(),
                   {{"producer", TopicCompression::producer},
                    {"uncompressed", TopicCompression::none},
                    {"gzip", TopicCompression::gzip},
                    {"snappy", TopicCompression::snappy},
                    {"lz4", TopicCompression::lz4},
                    {"zstd", TopicCompression::zstd}},
                   "How batches are stored: as the producer sent them, or in one codec.");
  table.add_choice("message.timestamp.type", log_member<&LogOptions::timestamp_type>(),
                   {{"CreateTime", TimestampType::create_time},
                    {"LogAppendTime", TimestampType::log_append_time}},
                   "Whose time a record carries: its producer's, or the broker's at arrival.");
  table.add("message.timestamp.before.max.ms", log_member<&LogOptions::timestamp_before_max_ms>(),
            "How far behind the broker's clock a record's time may be.", at_least(0));
  table.add("message.timestamp.after.max.ms", log_member<&LogOptions::timestamp_after_max_ms>(),
            "How far ahead of the broker's clock a record's time may be.", at_least(0));
  table.add("producer.id.expiration.ms", log_member<&LogOptions::producer_expiration_ms>(),
            "An idempotent producer silent for so long is forgotten.", at_least(1000));
  table.add("min.insync.replicas", &TopicOptions::min_insync_replicas,
            "With acks = all, how many replicas must have a record.", between(1, kMaxInt));
  table.add("unclean.leader.election.enable", &TopicOptions::unclean_leader_election,
            "Whether a replica that misses records may lead when no other is left: they are lost.");
}

std::vector<SettingAssignment> assignments_of(const ConfigMap& configs) {
  std::vector<SettingAssignment> assignments;
  for (const auto& [key, value] : configs)
    assignments.push_back({key, value, SettingSource::command_line, {}});
  return assignments;
}

}  // namespace

const SettingsTable<TopicOptions>& topic_settings() {
  static const SettingsTable<TopicOptions> kTable = [] {
    SettingsTable<TopicOptions> table;
    add_retention(table);
    add_segments(table);
    add_records(table);
    return table;
  }();
  return kTable;
}

Result<TopicOptions> topic_options(const TopicOptions& defaults, const ConfigMap& configs) {
  ASSIGN_OR_RETURN(auto loaded, topic_settings().load(assignments_of(configs), defaults));
  if (!loaded.options.log.cleanup_compact && !loaded.options.log.cleanup_delete) {
    return fail(Errc::invalid_config,
                "cleanup.policy is empty; it must be delete, compact or compact,delete");
  }
  return loaded.options;
}

ElectionRules election_rules(const TopicOptions& defaults, const ConfigMap& configs) {
  ElectionRules rules{defaults.min_insync_replicas, defaults.unclean_leader_election};
  if (!configs.contains("min.insync.replicas") &&
      !configs.contains("unclean.leader.election.enable")) {
    return rules;
  }
  const auto options = topic_options(defaults, configs);
  if (!options) return rules;
  return {options->min_insync_replicas, options->unclean_leader_election};
}

TopicDefaults agreed(TopicDefaults own) {
  const TopicOptions built_in;
  if (own.options.min_insync_replicas != built_in.min_insync_replicas) {
    own.at_creation["min.insync.replicas"] = std::to_string(own.options.min_insync_replicas);
  }
  if (own.options.unclean_leader_election != built_in.unclean_leader_election) {
    own.at_creation["unclean.leader.election.enable"] =
        own.options.unclean_leader_election ? "true" : "false";
  }
  own.options.min_insync_replicas = built_in.min_insync_replicas;
  own.options.unclean_leader_election = built_in.unclean_leader_election;
  return own;
}

std::vector<TopicConfigRow> describe_topic_config(const TopicOptions& defaults,
                                                  const ConfigMap& configs) {
  using Source = TopicConfigRow::Source;
  const auto options = topic_options(defaults, configs);
  const auto in_force = topic_settings().values_of(options ? *options : defaults);
  const auto of_broker = topic_settings().values_of(defaults);
  const auto built_in = topic_settings().values_of({});
  std::vector<TopicConfigRow> rows;
  for (size_t i = 0; i < in_force.size(); ++i) {
    const SettingSpec& spec = *in_force[i].spec;
    Source source = of_broker[i].value == built_in[i].value ? Source::fallback : Source::broker;
    if (configs.contains(spec.key)) source = Source::topic;
    rows.push_back({spec.key, spec.plain(in_force[i].value), source, spec.help});
  }
  return rows;
}

}  // namespace sluice::broker
