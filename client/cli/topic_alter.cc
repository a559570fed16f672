#include <memory>

#include "client/cli/commands.h"
#include "client/cli/words.h"

namespace sluice::cli {
namespace {

struct Flags {
  std::string name;
  uint32_t partitions = 0;
  std::vector<std::string> configs;
  std::vector<std::string> unset;
};

Result<> alter(const Shell& shell, const Flags& flags) {
  ASSIGN_OR_RETURN(const auto configs, parse_pairs(flags.configs, "-c"));
  if (configs.empty() && flags.unset.empty() && flags.partitions == 0) {
    return fail(Errc::invalid_argument,
                "nothing to alter; take -c key=value, --unset key or -p PARTITIONS");
  }
  const bool dry_run = shell.flags().dry_run;
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto admin = client->admin();
  std::string done;
  if (!configs.empty() || !flags.unset.empty()) {
    RETURN_IF_ERROR(admin->alter_topic(flags.name, configs, flags.unset, dry_run));
    for (const auto& [key, value] : configs) done += ", " + key + "=" + value;
    for (const std::string& key : flags.unset) done += ", " + key + " unset";
  }
  if (flags.partitions != 0) {
    RETURN_IF_ERROR(admin->add_partitions(flags.name, flags.partitions, dry_run));
    done += ", " + counted(flags.partitions, "partition");
  }
  return shell.say(
      (dry_run ? "would alter " : "altered ") + flags.name + " (" + done.substr(2) + ")",
      {{"name", flags.name}, {"altered", !dry_run}}, flags.name);
}

}  // namespace

void add_topic_alter(CLI::App& parent, Shell& shell) {
  CLI::App& command =
      *parent.add_subcommand("alter", "Changes a topic's configuration or adds partitions");
  const auto flags = std::make_shared<Flags>();
  command.add_option("topic", flags->name, "The topic")->required();
  command.add_option("-c,--config", flags->configs, "Sets configuration, key=value; repeatable")
      ->expected(1)
      ->take_all();
  command.add_option("--unset", flags->unset, "Takes a key back to its default; repeatable")
      ->expected(1)
      ->take_all();
  command.add_option("-p,--partitions", flags->partitions, "Partitions there shall be in all")
      ->check(CLI::PositiveNumber);
  command.footer(
      "Examples:\n"
      "  sluice topic alter orders -c retention.ms=86400000\n"
      "  sluice topic alter orders --unset retention.ms\n"
      "  sluice topic alter orders -p 12 --dry-run");
  command.callback([&shell, flags] {
    shell.choose("topic alter " + flags->name, [&shell, flags] { return alter(shell, *flags); });
  });
}

}  // namespace sluice::cli
