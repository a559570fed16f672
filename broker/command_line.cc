#include "broker/command_line.h"

#include <optional>
#include <utility>

#include <CLI/CLI.hpp>

namespace sluice::broker {
namespace {

constexpr const char* kExamples = R"(
Examples:
  sluiced --data /var/lib/sluice
  sluiced --data ./data --listen 0.0.0.0:9092 --set advertised=broker1:9092
  sluiced --config /etc/sluice/sluiced.toml --check-config

Exit codes: 0 stopped as told, 2 wrong usage or configuration, 3 address in use, 4 the data
directory is used by another broker, 5 it belongs to another cluster or node, 6 no permission,
7 no space left, 8 damaged files, 9 the disk failed, 1 anything else.)";

void add_flag(std::vector<SettingAssignment>& assignments, const char* key, const char* flag,
              const std::string& value) {
  if (value.empty()) return;
  assignments.push_back({key, value, SettingSource::command_line, flag});
}

}  // namespace

void describe(CLI::App& app, CommandLine& line) {
  app.add_option("--data", line.data, "where logs are kept (data.directories)");
  app.add_option("--listen", line.listen, "HOST:PORT for clients");
  app.add_option("--admin", line.admin, "HOST:PORT of /metrics, /health, /ready, /memory");
  app.add_option("--config", line.config, "a TOML file; config/sluiced.toml documents every key");
  app.add_option("--set", line.set, "KEY=VALUE, any number of times; wins over the file")
      ->allow_extra_args(false);
  app.add_flag("--check-config", line.check_config,
               "check the configuration, print what is in force, and exit");
  app.add_flag("--print-config", line.print_config, "print a file with every key, and exit");
  app.add_flag("--version", line.version, "print the version, and exit");
  CLI::App& recover = *app.add_subcommand(
      "recover-quorum",
      "on a stopped broker: go on as the only voter, because most voters are lost for good");
  // The flags that name its configuration are the broker's own.
  recover.fallthrough();
  recover.add_option("--cluster-id", line.recovery.cluster_id, "the cluster that is meant")
      ->required();
  recover.add_flag("--yes", line.recovery.yes, "do it; without, it only says what it would do");
  recover.footer(
      "Example:\n"
      "  sluiced recover-quorum --config /etc/sluice/sluiced.toml --cluster-id ID");
  recover.callback([&line] { line.recover = true; });
  app.footer(kExamples);
}

Result<SettingsTable<BrokerOptions>::Loaded> load_options(const CommandLine& line,
                                                          std::string_view config_text,
                                                          const std::vector<std::string>& variables,
                                                          std::vector<std::string>& warnings) {
  const auto& table = broker_settings();
  std::vector<SettingAssignment> assignments;
  const auto take = [&](std::vector<SettingAssignment> more) {
    for (auto& assignment : more) assignments.push_back(std::move(assignment));
  };
  if (!line.config.empty()) {
    ASSIGN_OR_RETURN(auto in_file, read_toml(config_text, line.config));
    take(std::move(in_file));
  }
  std::vector<std::string> unknown;
  const auto specs = table.specs();
  take(read_environment(specs, variables, unknown));
  for (const std::string& name : unknown) {
    // The command line's: whoever runs both sets it for both.
    if (name == "SLUICE_BROKERS") continue;
    warnings.push_back("the variable " + name + " names no setting and is ignored");
  }
  ASSIGN_OR_RETURN(auto set, read_arguments(line.set));
  take(std::move(set));
  add_flag(assignments, "data.directories", "--data", line.data);
  add_flag(assignments, "listen", "--listen", line.listen);
  add_flag(assignments, "admin.listen", "--admin", line.admin);
  ASSIGN_OR_RETURN(auto loaded, table.load(assignments));
  RETURN_IF_ERROR(check_options(loaded.options));
  return loaded;
}

}  // namespace sluice::broker
