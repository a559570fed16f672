#include <memory>
#include <utility>

#include "base/size_text.h"
#include "client/cli/commands.h"
#include "client/cli/doctor/broker_settings.h"
#include "client/cli/doctor/directory_checks.h"
#include "client/cli/doctor/fit_checks.h"
#include "client/cli/doctor/machine.h"
#include "client/cli/doctor/machine_checks.h"
#include "client/cli/doctor/plan.h"
#include "client/cli/doctor/report.h"
#include "client/cli/words.h"
#include "io/console.h"
#include "io/process.h"
#include "io/system_files.h"

namespace sluice::cli {
namespace doctor {
namespace {

constexpr size_t kLargestConfig = 1_MiB;
constexpr uint64_t kFastest = 1024 * 1_GiB;

struct Flags {
  std::string config;
  std::vector<std::string> set;
  std::vector<std::string> data;
  std::string ingest;
  std::optional<uint64_t> process;
  bool plan = false;
  std::string rate;
  std::string retention = "7d";
  Load load{.partitions = 100, .replication = 3, .producers = 10, .consumers = 10};
};

/// "50MB/s"; the "/s" may be left out.
Result<uint64_t> parse_rate(const std::string& flag, std::string_view text) {
  const std::string_view given = text;
  if (text.ends_with("/s")) text.remove_suffix(2);
  const auto rate = parse_size(text);
  if (rate && *rate > 0 && *rate <= kFastest) return *rate;
  return fail(Errc::invalid_argument, flag + " \"" + std::string(given) +
                                          "\" is no rate up to 1 TiB/s; write it as 50MB/s");
}

/// As sluiced takes them: its file, its variables, and what --set says.
Result<BrokerSettings> read_settings(const Flags& flags) {
  BrokerConfig config{.file = flags.config, .set = flags.set};
  if (!flags.config.empty()) {
    ASSIGN_OR_RETURN(config.text, io::read_text_file(flags.config, kLargestConfig));
  }
  for (const SettingSpec* spec : broker_settings().specs()) {
    const std::string name = spec->environment_name();
    const auto value = io::environment_variable(name);
    if (value) config.variables.push_back(name + "=" + *value);
  }
  ASSIGN_OR_RETURN(BrokerSettings settings, parse_broker_settings(config));
  if (!flags.data.empty()) settings.data_directories = flags.data;
  return settings;
}

Result<MachineFacts> look_at_machine(const Flags& flags, const BrokerSettings& settings) {
  const io::SystemFiles files;
  MachineQuestion question{.directories = settings.data_directories};
  if (!settings.metadata_directory.empty()) {
    question.directories.push_back(settings.metadata_directory);
  }
  if (flags.process) {
    question.process = std::to_string(*flags.process);
    if (!files.exists("/proc/" + question.process)) {
      return fail(Errc::not_found, "there is no process " + question.process +
                                       "; name a running sluiced (pidof sluiced)");
    }
  }
  MachineFacts machine = read_machine(files, question);
  machine.clock_synchronised = io::wall_clock_synchronised();
  return machine;
}

Result<> examine(const Shell& shell, const Flags& flags) {
  std::optional<uint64_t> ingest;
  if (!flags.ingest.empty()) {
    ASSIGN_OR_RETURN(ingest, parse_rate("--ingest", flags.ingest));
  }
  ASSIGN_OR_RETURN(BrokerSettings settings, read_settings(flags));
  ASSIGN_OR_RETURN(const MachineFacts machine, look_at_machine(flags, settings));
  ASSIGN_OR_RETURN(settings,
                   on_machine(std::move(settings), {.machine = machine.memory,
                                                    .group_limit = machine.cgroup.memory_limit}));
  std::vector<Finding> findings = check_fit(machine, settings, ingest);
  for (Finding& finding : check_directories(machine)) findings.push_back(std::move(finding));
  for (Finding& finding : check_machine(machine, settings)) findings.push_back(std::move(finding));
  RETURN_IF_ERROR(shell.print(
      report_of(machine, share_memory(machine, settings), findings, shell.flags().quiet)));
  const size_t failed = count_of(findings, Verdict::fail);
  if (failed == 0) return {};
  return fail(Errc::internal, counted(failed, "check") + " failed; do what stands behind the ->");
}

Result<> plan(const Shell& shell, const Flags& flags) {
  Load load = flags.load;
  ASSIGN_OR_RETURN(load.rate, parse_rate("--rate", flags.rate));
  ASSIGN_OR_RETURN(load.retention, parse_duration(flags.retention));
  ASSIGN_OR_RETURN(const Plan made, make_plan(load));
  return shell.print(report_of(made));
}

void add_plan_flags(CLI::App& command, const std::shared_ptr<Flags>& flags) {
  CLI::Option* plan = command.add_flag("--plan", flags->plan,
                                       "Sizes the brokers of a cluster instead, from the flags "
                                       "below");
  const auto of_plan = [plan](CLI::Option* option) { option->needs(plan)->group("With --plan"); };
  CLI::Option* rate = command.add_option(
      "--rate", flags->rate, "What all producers send, compressed as it is stored: 50MB/s");
  of_plan(rate);
  plan->needs(rate);
  of_plan(command.add_option("--retention", flags->retention, "How long records are kept")
              ->capture_default_str());
  of_plan(command.add_option("--partitions", flags->load.partitions, "Of all topics together")
              ->capture_default_str());
  of_plan(command.add_option("--replication", flags->load.replication, "Copies of each partition")
              ->capture_default_str());
  of_plan(command.add_option("--brokers", flags->load.brokers, "Default: one for each copy"));
  of_plan(command.add_option("--producers", flags->load.producers, "Clients that write")
              ->capture_default_str());
  of_plan(command.add_option("--consumers", flags->load.consumers, "Clients that read")
              ->capture_default_str());
}

void add_flags(CLI::App& command, const std::shared_ptr<Flags>& flags) {
  command.add_option("--config", flags->config,
                     "The broker's FILE; without it, its built-in values");
  command.add_option("--set", flags->set, "KEY=VALUE, any number of times; wins over the file")
      ->allow_extra_args(false);
  command.add_option("--data", flags->data, "DIR for logs, any number of times; else the file's")
      ->allow_extra_args(false);
  command.add_option(
      "--ingest", flags->ingest,
      "What is written to this broker, copies of other brokers' records too: 50MB/s");
  command.add_option(
      "--pid", flags->process,
      "Looks at the limits and the cgroup of a running broker; else at this shell's");
  add_plan_flags(command, flags);
}

}  // namespace
}  // namespace doctor

void add_doctor(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand(
      "doctor", "Says whether this machine and a broker's configuration fit each other");
  const auto flags = std::make_shared<doctor::Flags>();
  doctor::add_flags(command, flags);
  command.footer(
      "Run it where the broker runs, as its user. Each line is one check: ok, warn (slower or\n"
      "riskier than it could be) or fail (it will not work as configured), what was found, what "
      "is\n"
      "wanted, and behind -> the sysctl, key or step that mends it. A sysctl lasts until the next\n"
      "boot; write it into /etc/sysctl.d to keep it. With -q only warn and fail are printed.\n"
      "Exits with 0 when nothing fails, else with 1. Changes nothing.\n"
      "Examples:\n"
      "  sluice doctor --data /var/lib/sluice\n"
      "  sluice doctor --config /etc/sluice/sluiced.toml --ingest 50MB/s\n"
      "  sluice doctor --set connections.limit=100000 -q\n"
      "  sluice doctor --config /etc/sluice/sluiced.toml -o json\n"
      "  sluice doctor --plan --rate 50MB/s --retention 7d --partitions 600 --consumers 200");
  command.callback([&shell, flags] {
    shell.choose(flags->plan ? "doctor --plan" : "doctor", [&shell, flags] {
      return flags->plan ? doctor::plan(shell, *flags) : doctor::examine(shell, *flags);
    });
  });
}

}  // namespace sluice::cli
