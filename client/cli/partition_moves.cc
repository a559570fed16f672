#include "client/cli/partition_moves.h"

#include <memory>

#include "base/size_text.h"
#include "client/cli/commands.h"
#include "client/cli/watch.h"
#include "client/cli/words.h"

namespace sluice::cli {
namespace {

std::string text_of(const std::vector<NodeId>& nodes) {
  std::string text;
  for (const NodeId node : nodes) text += (text.empty() ? "" : ",") + std::to_string(node.value());
  return text.empty() ? "-" : text;
}

Json ids_of(const std::vector<NodeId>& nodes) {
  Json ids = Json::array();
  for (const NodeId node : nodes) ids.push_back(node.value());
  return ids;
}

Json document_of(const client::MoveInfo& move) {
  Json left = Json::array();
  for (const auto& one : move.left) {
    left.push_back({{"id", one.id.value()}, {"records", one.records}, {"bytes", one.bytes}});
  }
  return {{"topic", move.topic},           {"partition", move.partition.value()},
          {"leader", move.leader.value()}, {"replicas", ids_of(move.replicas)},
          {"adding", ids_of(move.adding)}, {"removing", ids_of(move.removing)},
          {"left", std::move(left)}};
}

Result<> list(const Shell& shell, double seconds) {
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto admin = client->admin();
  return watch(shell, seconds, [&]() -> Result<Report> {
    ASSIGN_OR_RETURN(const auto moves, admin->list_moves());
    return report_of(moves);
  });
}

}  // namespace

std::string left_of(const client::MoveInfo& move) {
  std::string text;
  for (const auto& one : move.left) {
    text += (text.empty() ? "" : ", ") + std::to_string(one.id.value()) + ": " +
            counted(one.records, "record") + " (" + format_rough_size(one.bytes) + ")";
  }
  if (!text.empty()) return text;
  return move.adding.empty() ? "nothing" : "not known";
}

Report report_of(const std::vector<client::MoveInfo>& moves) {
  Report report{.document = Json::array()};
  Table table{.columns = {{"PARTITION"},
                          {"LEADER", true},
                          {"ADDING"},
                          {"REMOVING"},
                          {"LEFT TO COPY"},
                          {"REPLICAS", false, true}},
              .rows = {}};
  for (const client::MoveInfo& move : moves) {
    const std::string name = move.topic + "-" + std::to_string(move.partition.value());
    report.document.push_back(document_of(move));
    report.names.push_back(name);
    table.rows.push_back(
        {name, move.leader.value() < 0 ? "none" : std::to_string(move.leader.value()),
         text_of(move.adding), text_of(move.removing), left_of(move), text_of(move.replicas)});
  }
  if (moves.empty()) report.lines.emplace_back("no partition is being moved");
  if (!moves.empty()) report.tables.push_back(std::move(table));
  return report;
}

void add_partition_moves(CLI::App& parent, Shell& shell) {
  CLI::App& command =
      *parent.add_subcommand("moves", "Lists the moves under way, and what is left of each");
  const auto seconds = add_watch(command);
  command.footer(
      "Examples:\n"
      "  sluice partition moves\n"
      "  sluice partition moves --watch\n"
      "  sluice partition moves -o json");
  command.callback([&shell, seconds] {
    shell.choose("partition moves", [&shell, seconds] { return list(shell, *seconds); });
  });
}

}  // namespace sluice::cli
