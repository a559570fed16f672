#include "client/cli/cluster_status.h"

#include <algorithm>
#include <chrono>
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

std::string state_of(const client::ClusterStatus& status,
                     const client::ClusterStatus::Broker& broker) {
  // Without a controller nobody keeps the states of others.
  const auto voter = std::ranges::find(status.voters, broker.id, &client::ClusterStatus::Voter::id);
  const bool unreached = voter != status.voters.end() && !voter->reached;
  if (broker.fenced || (status.controller.value() < 0 && unreached)) return "away";
  if (broker.draining) return "draining";
  return broker.behind > 0 ? "behind" : "well";
}

/// "3 partitions have", "1 partition has".
std::string have(uint32_t count, std::string_view noun) {
  return counted(count, noun) + (count == 1 ? " has" : " have");
}

/// ": orders-0, orders-3, ..." of so many.
std::string named(uint32_t count, const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? ": " : ", ") + name;
  if (!names.empty() && names.size() < count) text += ", ...";
  return text;
}

std::string listed(const std::vector<NodeId>& ids) {
  std::string text = ids.size() == 1 ? "broker " : "brokers ";
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) text += i + 1 == ids.size() ? " and " : ", ";
    text += std::to_string(ids[i].value());
  }
  return text;
}

std::string who_answered(const client::ClusterStatus& status) {
  if (status.answered_by.value() < 0) return "the broker that answered";
  return "broker " + std::to_string(status.answered_by.value());
}

std::string no_controller(const client::ClusterStatus& status) {
  std::vector<NodeId> missing;
  for (const auto& voter : status.voters) {
    if (!voter.reached) missing.push_back(voter.id);
  }
  const std::string begin = "there is no controller: ";
  if (missing.empty()) return begin + "one is being elected, or fewer than half of the voters run";
  const bool majority = 2 * (status.voters.size() - missing.size()) > status.voters.size();
  return begin + "of " + counted(status.voters.size(), "voter") + " " + who_answered(status) +
         " does not reach " + listed(missing) +
         (majority ? "; one is being elected"
                   : ", and without most of them nothing is decided; start them, or mend the "
                     "network between the brokers");
}

std::string away(const client::ClusterStatus::Broker& broker) {
  constexpr std::chrono::seconds kWorthSaying{1};
  if (broker.silent.count() < 0) return name_of(broker) + " is away or has not caught up";
  if (broker.silent < kWorthSaying) return name_of(broker) + " has not caught up yet, or stops";
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(broker.silent).count();
  return name_of(broker) + " has not been heard of for " + std::to_string(seconds) +
         " s; start it, or look at the network to it";
}

/// Null where nobody said.
Json silent_of(const client::ClusterStatus::Broker& broker) {
  return broker.silent.count() < 0 ? Json() : Json(broker.silent.count());
}

Json document_of(const client::ClusterStatus& status) {
  Json brokers = Json::array();
  for (const auto& broker : status.brokers) {
    brokers.push_back({{"id", broker.id.value()},
                       {"host", broker.host},
                       {"port", broker.port},
                       {"rack", broker.rack},
                       {"state", state_of(status, broker)},
                       {"epoch", broker.epoch},
                       {"fenced", broker.fenced},
                       {"draining", broker.draining},
                       {"voter", broker.voter},
                       {"controller", broker.id == status.controller},
                       {"leaders", broker.leaders},
                       {"replicas", broker.replicas},
                       {"behind", broker.behind},
                       {"silent_ms", silent_of(broker)},
                       {"problems", broker.problems}});
  }
  Json voters = Json::array();
  for (const auto& voter : status.voters) {
    voters.push_back({{"id", voter.id.value()}, {"reached", voter.reached}});
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
            {"moving", status.moving},
            {"damaged", status.damaged},
            {"offline_names", status.offline_names},
            {"under_min_in_sync_names", status.under_min_in_sync_names},
            {"under_replicated_names", status.under_replicated_names},
            {"moving_names", status.moving_names},
            {"damaged_names", status.damaged_names}}},
          {"answered_by", status.answered_by.value()},
          {"fenced_because", status.fenced_because},
          {"voters", std::move(voters)},
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
                          broker.host + ":" + std::to_string(broker.port), state_of(status, broker),
                          std::move(role), std::to_string(broker.leaders),
                          std::to_string(broker.replicas), std::to_string(broker.behind),
                          broker.rack, std::to_string(broker.epoch)});
  }
  return table;
}

Result<> look(const Shell& shell, double seconds, bool check) {
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto admin = client->admin();
  size_t problems = 0;
  RETURN_IF_ERROR(watch(shell, seconds, [&]() -> Result<Report> {
    ASSIGN_OR_RETURN(const auto status, admin->cluster_status());
    problems = problems_of(status).size();
    return report_of(status);
  }));
  if (!check || problems == 0) return {};
  return fail(Errc::internal, "not all is well: " + counted(problems, "problem"));
}

}  // namespace

std::vector<std::string> problems_of(const client::ClusterStatus& status) {
  std::vector<std::string> problems;
  if (status.controller.value() < 0) problems.push_back(no_controller(status));
  if (!status.fenced_because.empty()) {
    problems.push_back(who_answered(status) + " acknowledges nothing: " + status.fenced_because);
  }
  if (status.offline > 0) {
    problems.push_back(
        have(status.offline, "partition") + " no leader, and can be neither written nor read" +
        named(status.offline, status.offline_names) + "; bring back the brokers that were in sync");
  }
  if (status.under_min_in_sync > 0) {
    problems.push_back(have(status.under_min_in_sync, "partition") +
                       " too few replicas in sync to be written with acks=all" +
                       named(status.under_min_in_sync, status.under_min_in_sync_names));
  }
  if (status.damaged > 0) {
    problems.push_back(have(status.damaged, "partition") + " a damaged replica" +
                       named(status.damaged, status.damaged_names));
  }
  for (const auto& broker : status.brokers) {
    if (broker.fenced) problems.push_back(away(broker));
    for (const std::string& said : broker.problems)
      problems.push_back(name_of(broker) + ": " + said);
  }
  if (status.under_replicated > 0) {
    problems.push_back(have(status.under_replicated, "partition") + " replicas out of sync" +
                       named(status.under_replicated, status.under_replicated_names));
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
  if (status.moving > 0)
    line += "  " + counted(status.moving, "partition") + " moving" +
            named(status.moving, status.moving_names);
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
  const auto check = std::make_shared<bool>(false);
  command.add_flag("--check", *check, "Exits with 1 unless all is well")->excludes("--watch");
  command.footer(
      "Examples:\n"
      "  sluice cluster status\n"
      "  sluice cluster status --watch\n"
      "  sluice cluster status --check -q\n"
      "  sluice cluster status -o json");
  command.callback([&shell, seconds, check] {
    shell.choose("cluster status",
                 [&shell, seconds, check] { return look(shell, *seconds, *check); });
  });
}

}  // namespace sluice::cli
