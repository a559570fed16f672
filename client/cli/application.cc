#include "client/cli/application.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/version.h"
#include "client/cli/commands.h"
#include "client/cli/exit_code.h"
#include "io/console.h"
#include "io/process.h"

namespace sluice::cli {
namespace {

void add_global_flags(CLI::App& app, GlobalFlags& flags) {
  app.add_option("-b,--brokers", flags.brokers,
                 "Brokers to begin with, HOST:PORT[,...]; else SLUICE_BROKERS, else the context")
      ->expected(1)
      ->take_all();
  app.add_option("-X", flags.properties, "Sets a client property, key=value; may be repeated")
      ->expected(1)
      ->take_all();
  app.add_option("--context", flags.context, "Uses this context of client.toml");
  app.add_option("-o,--output", flags.output, "table, wide, json, yaml or name");
  app.add_flag("-q,--quiet", flags.quiet, "Prints data and errors only");
  app.add_flag("--yes", flags.yes, "Answers yes to every question");
  app.add_flag("--dry-run", flags.dry_run, "Checks and says what would be done, and does not");
}

CLI::App& noun(CLI::App& app, const char* name, const char* description) {
  CLI::App& added = *app.add_subcommand(name, description);
  added.require_subcommand(1);
  return added;
}

/// The command as far as it was parsed: "sluice topic create".
std::string parsed_path(const CLI::App& app) {
  std::string path = app.get_name();
  for (const CLI::App* next = &app; !next->get_subcommands().empty();) {
    next = next->get_subcommands().front();
    path += " " + next->get_name();
  }
  return path;
}

const CLI::App& deepest(const CLI::App& app) {
  const CLI::App* reached = &app;
  while (!reached->get_subcommands().empty()) reached = reached->get_subcommands().front();
  return *reached;
}

/// "take topic, produce or log".
std::string commands_of(const CLI::App& app) {
  std::string names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (!command->get_group().empty()) names += (names.empty() ? "" : ", ") + command->get_name();
  }
  return "take one of " + names;
}

/// What is wrong with the arguments, in the order in which they were typed.
std::string usage_problem(const CLI::App& app, const CLI::ParseError& error,
                          std::span<char*> arguments) {
  const CLI::App& reached = deepest(app);
  const bool wants_command = !reached.get_subcommands(nullptr).empty();
  const std::vector<std::string> left = app.remaining(true);
  for (const std::string_view argument : arguments) {
    if (std::ranges::find(left, argument) == left.end()) continue;
    const std::string quoted = "'" + std::string(argument) + "'";
    if (argument.starts_with('-')) return quoted + " is unknown";
    if (wants_command) return quoted + " is no command; " + commands_of(reached);
    return quoted + " is one argument too many";
  }
  if (wants_command) return "what shall be done? " + commands_of(reached);
  return error.what();
}

void print_error(const std::string& line) {
  // Nobody to tell when standard error is gone.
  static_cast<void>(io::write_all(io::StandardStream::err, line + "\n"));
}

int to_int(ExitCode code) { return static_cast<int>(code); }

int report_failure(const Shell& shell, const Error& error) {
  if (io::interrupted()) return to_int(ExitCode::interrupted);
  // The reader of our pipe has what it wanted: `sluice consume ... | head`.
  if (shell.output_gone()) return to_int(ExitCode::done);
  const ExitCode code = exit_code_of(error.code());
  std::string line = shell.label() + ": " + std::string(error.message());
  if (code == ExitCode::unreachable) {
    line += "; is sluiced running there? Name another with " + shell.reached_by();
  }
  print_error(line);
  return to_int(code);
}

}  // namespace

std::unique_ptr<CLI::App> make_application(Shell& shell) {
  auto app = std::make_unique<CLI::App>("Talks to sluice brokers.", "sluice");
  app->set_version_flag("--version", "sluice " + std::string(kVersion));
  app->require_subcommand(1);
  app->fallthrough();
  add_global_flags(*app, shell.flags());

  CLI::App& topic = noun(*app, "topic", "Creates, lists, describes, alters and deletes topics");
  add_topic_create(topic, shell);
  add_topic_list(topic, shell);
  add_topic_describe(topic, shell);
  add_topic_alter(topic, shell);
  add_topic_delete(topic, shell);
  add_produce(*app, shell);
  add_consume(*app, shell);
  add_offsets(*app, shell);
  CLI::App& cluster = noun(*app, "cluster", "Shows a cluster, and lets brokers join and leave");
  add_cluster_status(cluster, shell);
  add_cluster_join(cluster, shell);
  add_cluster_leave(cluster, shell);
  add_broker_drain(noun(*app, "broker", "Empties a broker"), shell);
  CLI::App& partition = noun(*app, "partition", "Moves a partition's replicas");
  add_partition_move(partition, shell);
  add_partition_moves(partition, shell);
  add_memory_top(noun(*app, "memory", "Shows a broker's memory"), shell);
  add_log_dump(noun(*app, "log", "Looks at the files of a broker that is not running"), shell);
  CLI::App& bench = noun(*app, "bench", "Measures a cluster");
  add_bench_produce(bench, shell);
  add_bench_consume(bench, shell);
  add_bench_latency(bench, shell);
  add_doctor(*app, shell);
  add_context(*app, shell);
  add_completion(*app, shell);
  return app;
}

int run(int argc, char** argv) {
  Shell shell;
  const auto app = make_application(shell);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app->exit(error);
    const std::string path = parsed_path(*app);
    const std::string problem =
        usage_problem(*app, error, std::span(argv, static_cast<size_t>(argc)).subspan(1));
    print_error(path + ": " + problem + "; see " + path + " --help");
    return to_int(ExitCode::usage);
  }
  io::catch_interrupts();
  return finish(shell);
}

int finish(Shell& shell) {
  const Result<> done = shell.run();
  if (!done) return report_failure(shell, done.error());
  return to_int(io::interrupted() ? ExitCode::interrupted : ExitCode::done);
}

}  // namespace sluice::cli
