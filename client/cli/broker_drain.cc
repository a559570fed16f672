#include <memory>

#include "client/cli/commands.h"
#include "client/cli/words.h"

namespace sluice::cli {
namespace {

Result<> drain(const Shell& shell, int32_t id, bool undo) {
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const std::string broker = "broker " + std::to_string(id);
  if (shell.flags().dry_run) {
    return shell.say((undo ? "would end draining " : "would drain ") + broker,
                     {{"id", id}, {"draining", undo}}, std::to_string(id));
  }
  ASSIGN_OR_RETURN(const uint32_t left, client->admin()->drain_broker(NodeId(id), undo));
  std::string line = undo ? broker + " gets replicas again" : "draining " + broker + ": ";
  if (!undo) {
    line += left == 0 ? "no replica is left there; it may leave"
                      : counted(left, "replica") + " left to move; see sluice cluster status";
  }
  return shell.say(std::move(line), {{"id", id}, {"draining", !undo}, {"left", left}},
                   std::to_string(id));
}

}  // namespace

void add_broker_drain(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand(
      "drain", "Moves all replicas away from a broker, and no new ones to it");
  const auto id = std::make_shared<int32_t>();
  const auto undo = std::make_shared<bool>(false);
  command.add_option("broker", *id, "The broker's node id")
      ->required()
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--undo", *undo, "The broker may have replicas again; moves away are cancelled");
  command.footer(
      "Examples:\n"
      "  sluice broker drain 3\n"
      "  sluice broker drain 3 --undo");
  command.callback([&shell, id, undo] {
    shell.choose("broker drain " + std::to_string(*id),
                 [&shell, id, undo] { return drain(shell, *id, *undo); });
  });
}

}  // namespace sluice::cli
