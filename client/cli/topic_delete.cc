#include <memory>

#include "client/cli/commands.h"
#include "client/cli/words.h"

namespace sluice::cli {
namespace {

Result<> remove(const Shell& shell, const std::string& name) {
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto admin = client->admin();
  if (shell.flags().dry_run) {
    ASSIGN_OR_RETURN(const auto topic, admin->describe_topic(name));
    return shell.say(
        "would delete " + name + " (" + counted(topic.partitions.size(), "partition") + ")",
        {{"name", name}, {"deleted", false}}, name);
  }
  RETURN_IF_ERROR(shell.confirm("Delete topic " + name + " and all its records?"));
  RETURN_IF_ERROR(admin->delete_topic(name));
  return shell.say("deleted " + name, {{"name", name}, {"deleted", true}}, name);
}

}  // namespace

void add_topic_delete(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand("delete", "Deletes a topic with all its records");
  const auto name = std::make_shared<std::string>();
  command.add_option("topic", *name, "The topic")->required();
  command.footer(
      "Examples:\n"
      "  sluice topic delete orders\n"
      "  sluice topic delete orders --yes\n"
      "  sluice topic delete orders --dry-run");
  command.callback([&shell, name] {
    shell.choose("topic delete " + *name, [&shell, name] { return remove(shell, *name); });
  });
}

}  // namespace sluice::cli
