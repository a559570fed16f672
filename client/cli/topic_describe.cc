#include <memory>
#include <numeric>

#include "base/size_text.h"
#include "client/cli/commands.h"
#include "client/cli/watch.h"
#include "client/cli/words.h"

namespace sluice::cli {
namespace {

Json ids_of(const std::vector<NodeId>& nodes) {
  Json ids = Json::array();
  for (const NodeId node : nodes) ids.push_back(node.value());
  return ids;
}

std::string text_of(const std::vector<NodeId>& nodes) {
  std::string text;
  for (const NodeId node : nodes) text += (text.empty() ? "" : ",") + std::to_string(node.value());
  return text;
}

uint64_t lag_of(const client::PartitionInfo& partition, const client::FollowerInfo& follower) {
  const auto lag = partition.log_end - follower.log_end;
  return lag > 0 ? static_cast<uint64_t>(lag) : 0;
}

/// "0" when no follower misses anything, else what each one misses: "2:15,3:?".
std::string lags_of(const client::PartitionInfo& partition) {
  if (partition.followers.empty()) return "-";
  std::string text;
  bool behind = false;
  for (const client::FollowerInfo& follower : partition.followers) {
    const bool known = follower.log_end.value() >= 0;
    const uint64_t lag = lag_of(partition, follower);
    behind = behind || !known || lag > 0;
    text += (text.empty() ? "" : ",") + std::to_string(follower.id.value()) + ":" +
            (known ? std::to_string(lag) : "?");
  }
  return behind ? text : "0";
}

std::string move_of(const client::PartitionInfo& partition) {
  std::string text;
  for (const NodeId id : partition.adding) text += "+" + std::to_string(id.value()) + " ";
  for (const NodeId id : partition.removing) text += "-" + std::to_string(id.value()) + " ";
  if (!text.empty()) text.pop_back();
  return text.empty() ? "-" : text;
}

std::string problem_of(const client::PartitionInfo& partition) {
  std::string text = partition.problem;
  if (!partition.damaged.empty()) {
    text += (text.empty() ? "" : "; ") + ("damaged on " + text_of(partition.damaged));
  }
  return text;
}

Json followers_of(const client::PartitionInfo& partition) {
  Json followers = Json::array();
  for (const client::FollowerInfo& follower : partition.followers) {
    const bool known = follower.log_end.value() >= 0;
    followers.push_back({{"id", follower.id.value()},
                         {"log_end", known ? Json(follower.log_end.value()) : Json()},
                         {"lag", known ? Json(lag_of(partition, follower)) : Json()},
                         {"behind_ms", follower.behind.count()}});
  }
  return followers;
}

Json document_of(const client::TopicInfo& topic) {
  Json partitions = Json::array();
  for (const client::PartitionInfo& partition : topic.partitions) {
    partitions.push_back({{"partition", partition.id.value()},
                          {"leader", partition.leader.value()},
                          {"leader_epoch", partition.leader_epoch.value()},
                          {"replicas", ids_of(partition.replicas)},
                          {"in_sync", ids_of(partition.in_sync)},
                          {"offline", ids_of(partition.offline)},
                          {"followers", followers_of(partition)},
                          {"eligible", ids_of(partition.eligible)},
                          {"adding", ids_of(partition.adding)},
                          {"removing", ids_of(partition.removing)},
                          {"damaged", ids_of(partition.damaged)},
                          {"log_start", partition.log_start.value()},
                          {"high_watermark", partition.high_watermark.value()},
                          {"log_end", partition.log_end.value()},
                          {"synced_end", partition.synced_end.value()},
                          {"bytes", partition.bytes},
                          {"problem", partition.problem}});
  }
  Json configs = Json::array();
  for (const client::ConfigInfo& config : topic.configs) {
    configs.push_back({{"key", config.key},
                       {"value", config.value},
                       {"source", config.source},
                       {"documentation", config.documentation}});
  }
  return {{"name", topic.name},
          {"id", topic.id},
          {"partitions", std::move(partitions)},
          {"configs", std::move(configs)}};
}

Table partitions_of(const client::TopicInfo& topic) {
  Table table{.columns = {{"PARTITION", true},
                          {"LEADER", true},
                          {"REPLICAS"},
                          {"IN-SYNC"},
                          {"OFFLINE"},
                          {"LAG"},
                          {"MOVE"},
                          {"START", true},
                          {"HIGH-WATERMARK", true},
                          {"SIZE", true},
                          {"LOG-END", true, true},
                          {"SYNCED-END", true, true},
                          {"EPOCH", true, true},
                          {"PROBLEM"}},
              .rows = {}};
  for (const client::PartitionInfo& partition : topic.partitions) {
    table.rows.push_back(
        {std::to_string(partition.id.value()),
         partition.leader.value() < 0 ? "none" : std::to_string(partition.leader.value()),
         text_of(partition.replicas), text_of(partition.in_sync),
         partition.offline.empty() ? "-" : text_of(partition.offline), lags_of(partition),
         move_of(partition), std::to_string(partition.log_start.value()),
         std::to_string(partition.high_watermark.value()), format_rough_size(partition.bytes),
         std::to_string(partition.log_end.value()), std::to_string(partition.synced_end.value()),
         std::to_string(partition.leader_epoch.value()), problem_of(partition)});
  }
  return table;
}

/// Only what somebody set, unless everything is asked for.
Table configs_of(const client::TopicInfo& topic, bool all) {
  Table table{.columns = {{"CONFIG"}, {"VALUE"}, {"SOURCE"}, {"DOCUMENTATION", false, true}},
              .rows = {}};
  for (const client::ConfigInfo& config : topic.configs) {
    if (!all && config.source == "default") continue;
    table.rows.push_back({config.key, config.value, config.source, config.documentation});
  }
  return table;
}

Result<Report> report_of(client::Admin& admin, const std::string& name, bool all_configs) {
  ASSIGN_OR_RETURN(const auto topic, admin.describe_topic(name));
  const uint64_t bytes = std::accumulate(
      topic.partitions.begin(), topic.partitions.end(), uint64_t{0},
      [](uint64_t sum, const client::PartitionInfo& partition) { return sum + partition.bytes; });
  Report report{.document = document_of(topic)};
  report.names.push_back(topic.name);
  report.lines.push_back(topic.name + "  " + counted(topic.partitions.size(), "partition") + "  " +
                         format_rough_size(bytes) + "  id " + topic.id);
  report.tables.push_back(partitions_of(topic));
  Table configs = configs_of(topic, all_configs);
  if (!configs.rows.empty()) report.tables.push_back(std::move(configs));
  return report;
}

Result<> describe(const Shell& shell, const std::string& name, double seconds) {
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto admin = client->admin();
  const bool all_configs = shell.format() == OutputFormat::wide;
  return watch(shell, seconds, [&] { return report_of(*admin, name, all_configs); });
}

}  // namespace

void add_topic_describe(CLI::App& parent, Shell& shell) {
  CLI::App& command =
      *parent.add_subcommand("describe", "Shows a topic's partitions and configuration");
  const auto name = std::make_shared<std::string>();
  command.add_option("topic", *name, "The topic")->required();
  const auto seconds = add_watch(command);
  command.footer(
      "Examples:\n"
      "  sluice topic describe orders\n"
      "  sluice topic describe orders -o wide\n"
      "  sluice topic describe orders --watch\n"
      "  sluice topic describe orders -o json");
  command.callback([&shell, name, seconds] {
    shell.choose("topic describe " + *name,
                 [&shell, name, seconds] { return describe(shell, *name, *seconds); });
  });
}

}  // namespace sluice::cli
