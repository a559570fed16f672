#include <memory>

#include "client/cli/commands.h"

namespace sluice::cli {
namespace {

Result<> leave(const Shell& shell, int32_t id) {
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const std::string broker = "broker " + std::to_string(id);
  if (shell.flags().dry_run) {
    return shell.say("would forget " + broker, {{"id", id}, {"left", false}}, std::to_string(id));
  }
  RETURN_IF_ERROR(shell.confirm("Forget " + broker + " for good?"));
  RETURN_IF_ERROR(client->admin()->leave_cluster(NodeId(id)));
  return shell.say(broker + " left the cluster; stop it now", {{"id", id}, {"left", true}},
                   std::to_string(id));
}

}  // namespace

void add_cluster_leave(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand(
      "leave", "Lets a broker that was drained leave for good: it is no voter and forgotten");
  const auto id = std::make_shared<int32_t>();
  command.add_option("broker", *id, "The broker's node id")
      ->required()
      ->check(CLI::NonNegativeNumber);
  command.footer(
      "Examples:\n"
      "  sluice cluster leave 3\n"
      "  sluice cluster leave 3 --yes");
  command.callback([&shell, id] {
    shell.choose("cluster leave " + std::to_string(*id),
                 [&shell, id] { return leave(shell, *id); });
  });
}

}  // namespace sluice::cli
