#include <memory>

#include "client/cli/commands.h"
#include "client/cli/watch.h"

namespace sluice::cli {
namespace {

Result<Report> report_of(client::Admin& admin, bool all) {
  ASSIGN_OR_RETURN(const auto topics, admin.list_topics());
  Report report{.document = Json::array()};
  Table table{.columns = {{"NAME"},
                          {"PARTITIONS", true},
                          {"REPLICAS", true},
                          {"ID", false, true},
                          {"INTERNAL", false, true}},
              .rows = {}};
  for (const client::TopicSummary& topic : topics) {
    if (topic.internal && !all) continue;
    report.document.push_back({{"name", topic.name},
                               {"id", topic.id},
                               {"internal", topic.internal},
                               {"partitions", topic.partitions},
                               {"replication_factor", topic.replication_factor}});
    table.rows.push_back({topic.name, std::to_string(topic.partitions),
                          std::to_string(topic.replication_factor), topic.id,
                          topic.internal ? "yes" : "no"});
    report.names.push_back(topic.name);
  }
  report.tables.push_back(std::move(table));
  return report;
}

Result<> list(const Shell& shell, bool all, double seconds) {
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto admin = client->admin();
  return watch(shell, seconds, [&] { return report_of(*admin, all); });
}

}  // namespace

void add_topic_list(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand("list", "Lists the topics");
  const auto all = std::make_shared<bool>(false);
  command.add_flag("-a,--all", *all, "Internal topics too");
  const auto seconds = add_watch(command);
  command.footer(
      "Examples:\n"
      "  sluice topic list\n"
      "  sluice topic list -o name\n"
      "  sluice topic list --watch=5\n"
      "  sluice topic list --all -o json");
  command.callback([&shell, all, seconds] {
    shell.choose("topic list", [&shell, all, seconds] { return list(shell, *all, *seconds); });
  });
}

}  // namespace sluice::cli
