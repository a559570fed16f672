#include "client/cli/cluster_status.h"

#include <algorithm>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/watch.h"
#include "client/cli/words.h"

namespace sluice::cli {
namespace {

std::string name_of(const client::ClusterStatus::Broker& broker) {
  return "broker " + std::to_string(broker.id.value()) + " (" + broker.host + ":" +
         std::to_string(broker.port) + ")";
}

std::string state_of(const client::ClusterStatus::Broker& broker) {
  if (broker.fenced) return "away";
  if (broker.draining) return "draining";
  return broker.behind > 0 ? "behind" : "well";
}

/// "3 partitions have", "1 partition has".
std::string have(uint32_t count, std::string_view noun) {
  return counted(count, noun) + (count == 1 ? " has" : " have");
}

Json document_of(const client::ClusterStatus& status) {
  Json brokers = Json::array();
  for (const auto& broker : status.brokers) {
    brokers.push_back({{"id", broker.id.value()},
                       {"host", broker.host},
                       {"port", broker.port},
                       {"rack", broker.rack},
                       {"state", state_of(broker)},
                       {"epoch", broker.epoch},
                       {"fenced", broker.fenced},
                       {"draining", broker.draining},
                       {"voter", broker.voter},
                       {"controller", broker.id == status.controller},
                       {"leaders", broker.leaders},
                       {"replicas", broker.replicas},
                       {"behind", broker.behind}});
  }
  const auto problems = problems_of(status);
  return {{"cluster_id", status.cluster_id},
          {"cluster_name", status.cluster_name},
          {"well", problems.empty()},
          {"problems", problems},
          {"controller", status.controller.value()},
          {"term", status.term},
          {"metadata_version", status.metadata_version},
          {"partitions",
           {{"total", status.partitions},
            {"offline", status.offline},
            {"under_min_in_sync", status.under_min_in_sync},
            {"under_replicated", status.under_replicated},
            {"moving", status.moving}}},
          {"brokers", std::move(brokers)}};
}

Table brokers_of(const client::ClusterStatus& status) {
  Table table{.columns = {{"BROKER", true},
                          {"ADDRESS"},
                          {"STATE"},
                          {"ROLE"},
                          {"LEADERS", true},
                          {"REPLICAS", true},
                          {"BEHIND", true},
                          {"RACK", false, true},
                          {"EPOCH", true, true}},
              .rows = {}};
  for (const auto& broker : status.brokers) {
    std::string role = broker.voter ? "voter" : "learner";
    if (broker.id == status.controller) role = "controller";
    table.rows.push_back({std::to_string(broker.id.value()),
                          broker.host + ":" + std::to_string(broker.port), state_of(broker),
                          std::move(role), std::to_string(broker.leaders),
                          std::to_string(broker.replicas), std::to_string(broker.behind),
                          broker.rack, std::to_string(broker.epoch)});
  }
  return table;
}

Result<> look(const Shell& shell, double seconds) {
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto admin = client->admin();
  return watch(shell, seconds, [&]() -> Result<Report> {
    ASSIGN_OR_RETURN(const auto status, admin->cluster_status());
    return report_of(status);
  });
}

}  // namespace

std::vector<std::string> problems_of(const client::ClusterStatus& status) {
  std::vector<std::string> problems;
  if (status.controller.value() < 0) {
    problems.emplace_back(
        "there is no controller: fewer than half of the voters reach each other; start the others");
  }
  if (status.offline > 0) {
    problems.push_back(have(status.offline, "partition") +
                       " no leader, and can be neither written nor read; bring back the brokers "
                       "that were in sync");
  }
  if (status.under_min_in_sync > 0) {
    problems.push_back(have(status.under_min_in_sync, "partition") +
                       " too few replicas in sync to be written with acks=all");
  }
  for (const auto& broker : status.brokers) {
    if (broker.fenced) problems.push_back(name_of(broker) + " is away or has not caught up");
  }
  if (status.under_replicated > 0) {
    problems.push_back(have(status.under_replicated, "partition") + " replicas out of sync");
  }
  for (const auto& broker : status.brokers) {
    if (!broker.fenced && broker.behind > 0) {
      problems.push_back(name_of(broker) + " is behind with " + counted(broker.behind, "replica"));
    }
  }
  return problems;
}

Report report_of(const client::ClusterStatus& status) {
  Report report{.document = document_of(status)};
  report.names.push_back(status.cluster_id);
  const std::string name = status.cluster_name.empty() ? status.cluster_id : status.cluster_name;
  std::string line = "cluster " + name + "  " + counted(status.brokers.size(), "broker") + "  " +
                     counted(status.partitions, "partition") + "  controller ";
  line += status.controller.value() < 0 ? "none" : std::to_string(status.controller.value());
  if (status.moving > 0) line += "  " + counted(status.moving, "partition") + " moving";
  report.lines.push_back(std::move(line));
  const auto problems = problems_of(status);
  if (problems.empty()) report.lines.emplace_back("all is well");
  for (const std::string& problem : problems) report.lines.push_back("! " + problem);
  report.tables.push_back(brokers_of(status));
  return report;
}

void add_cluster_status(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand(
      "status", "Shows brokers, controller and partitions, what is not well, and why");
  const auto seconds = add_watch(command);
  command.footer(
      "Examples:\n"
      "  sluice cluster status\n"
      "  sluice cluster status --watch\n"
      "  sluice cluster status -o json");
  command.callback([&shell, seconds] {
    shell.choose("cluster status", [&shell, seconds] { return look(shell, *seconds); });
  });
}

}  // namespace sluice::cli
