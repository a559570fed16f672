#include <memory>

#include "client/cli/commands.h"
#include "client/cli/words.h"

namespace sluice::cli {
namespace {

struct Flags {
  std::string name;
  uint32_t partitions = 0;
  uint32_t replicas = 0;
  std::vector<std::string> configs;
  bool if_not_exists = false;
};

Result<> create(const Shell& shell, const Flags& flags) {
  client::NewTopic topic{.name = flags.name,
                         .partitions = flags.partitions,
                         .replication_factor = flags.replicas,
                         .validate_only = shell.flags().dry_run};
  ASSIGN_OR_RETURN(topic.configs, parse_pairs(flags.configs, "-c"));
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto created = client->admin()->create_topic(topic);
  if (!created && created.error() == Errc::topic_exists && flags.if_not_exists) {
    return shell.say(flags.name + " exists already", {{"name", flags.name}, {"created", false}},
                     flags.name);
  }
  if (!created) return fail(created.error());
  return shell.say((topic.validate_only ? "would create " : "created ") + flags.name + " (" +
                       counted(created->partitions, "partition") + ", " +
                       counted(created->replication_factor, "replica") + ")",
                   {{"name", flags.name},
                    {"created", !topic.validate_only},
                    {"id", created->id},
                    {"partitions", created->partitions},
                    {"replication_factor", created->replication_factor}},
                   flags.name);
}

}  // namespace

void add_topic_create(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand("create", "Creates a topic");
  const auto flags = std::make_shared<Flags>();
  command.add_option("name", flags->name, "The new topic's name")->required();
  command.add_option("-p,--partitions", flags->partitions, "Partitions; else the broker's default");
  command.add_option("-r,--replicas", flags->replicas, "Replicas of each partition");
  command.add_option("-c,--config", flags->configs, "Topic configuration, key=value; repeatable")
      ->expected(1)
      ->take_all();
  command.add_flag("--if-not-exists", flags->if_not_exists, "Is content when it is there already");
  command.footer(
      "Examples:\n"
      "  sluice topic create orders -p 6\n"
      "  sluice topic create audit -p 1 -c retention.ms=86400000 -c cleanup.policy=delete\n"
      "  sluice topic create orders -p 6 --if-not-exists");
  command.callback([&shell, flags] {
    shell.choose("topic create " + flags->name, [&shell, flags] { return create(shell, *flags); });
  });
}

}  // namespace sluice::cli
