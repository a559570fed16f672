#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "base/size_text.h"
#include "broker/command_line.h"
#include "broker/exit_code.h"
#include "broker/node.h"
#include "broker/version.h"
#include "io/clock.h"
#include "io/memory_plan.h"
#include "io/memory_probe.h"
#include "io/process.h"
#include "io/system.h"

namespace sluice::broker {
namespace {

void complain(const Error& error) {
  std::string text(error.message());
  // Our own messages say what to do behind a semicolon, the system's do not.
  const std::string_view way_out = way_out_of(error.code());
  if (!way_out.empty() && text.find(';') == text.npos) text.append("; ").append(way_out);
  std::fprintf(stderr, "sluiced: %s\n", text.c_str());
}

/// Before there is a runtime: it is built from what stands in the file.
Result<std::string> read_config(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (file.bad() || !file.is_open()) {
    const Error cause = error_from_errno(errno, path);
    return fail(Errc::invalid_config, "config file " + std::string(cause.message()));
  }
  return text;
}

std::vector<std::string> environment() {
  std::vector<std::string> variables;
  for (char** at = environ; *at != nullptr; ++at) variables.emplace_back(*at);
  return variables;
}

/// To half of what the system allows: the other half is left to connections, to the allocator, and
/// to what is in use though the cache has closed it.
void bound(size_t& most, std::string_view key, size_t limit, const Logger& log) {
  if (most <= limit / 2) return;
  log.warning("a limit is bounded by half of what the system lets this process have",
              {{"key", key}, {"configured", most}, {"in_force", limit / 2}, {"limit", limit}});
  most = limit / 2;
}

void bound_by_system(storage::LogSetOptions& options, const Logger& log) {
  bound(options.max_open_files, "files.open.max", io::raise_descriptor_limit(), log);
  bound(options.max_index_maps, "index.maps.max", io::map_limit(), log);
}

/// The line that supervisors and scripts wait for.
io::Task<void> tell_when_ready(Node& broker, const Logger& log) {
  if (!co_await broker.caught_up()) co_return;
  log.info("ready", {{"listen", broker.local().to_string()},
                     {"admin", broker.admin_local().to_string()},
                     {"cluster", broker.metadata().image()->cluster_id},
                     {"version", kVersion}});
}

/// The caps of this machine instead of their names. Errors begin with where they were asked for.
Result<io::MemoryPlan> fit_memory(SettingsTable<BrokerOptions>::Loaded& loaded) {
  const size_t workers = loaded.options.system.workers;
  auto plan = io::plan_memory(loaded.options.memory_max,
                              workers != 0 ? workers : std::thread::hardware_concurrency(),
                              io::SystemMemory().read());
  if (plan) {
    loaded.options.memory_bytes = plan->cap;
    return plan;
  }
  const auto asked = std::ranges::find_if(
      loaded.effective, [](const auto& setting) { return setting.spec->key == "memory.max"; });
  Error why = std::move(plan).error();
  if (!asked->where.empty()) why = std::move(why).with_context(asked->where);
  return fail(std::move(why));
}

void tell_split(const io::MemoryPlan& plan, const std::string& asked, const Logger& log) {
  const std::string whole = plan.available ? format_rough_size(*plan.available) : "unknown";
  log.info("memory",
           {{"memory.max", asked},
            {"cap", format_rough_size(plan.cap)},
            {"reserve", format_rough_size(plan.reserve)},
            {"page_cache", plan.available ? format_rough_size(plan.page_cache()) : "unknown"},
            {plan.is_group ? "control_group" : "machine", whole}});
}

/// Runs a node until a signal comes; the process's exit code.
int run(BrokerOptions options, const io::MemoryPlan& plan) {
  const io::SystemClock clock;
  StreamSink sink(clock, STDERR_FILENO, options.log_format);
  const Logger log(sink, options.log_level);
  bound_by_system(options.storage, log);
  io::System system(options.system);
  if (!system.uring_refusal().empty()) {
    log.warning("io_uring is refused; file work goes to a thread pool",
                {{"cause", system.uring_refusal()}});
  }
  io::Signal stop;
  int signalled = 0;
  bool starting = true;
  system.on_signals({SIGTERM, SIGINT}, [&](int signal) {
    // A second one does not wait for anything.
    if (std::exchange(signalled, signal) != 0) std::_Exit(128 + signal);
    if (starting) {
      // Recovery may take minutes, and nobody is served yet: a kill loses nothing.
      log.info("stopped before it was ready; the next start recovers");
      std::_Exit(0);
    }
    stop.notify_all();
  });
  const auto die = [](const Error& error) {
    complain(Error(error).with_context("the broker cannot go on"));
    std::_Exit(exit_code_of(error.code()));
  };
  log.info("starting", {{"version", kVersion}, {"data", options.data_directories.front()}});
  tell_split(plan, options.memory_max, log);
  Node node({system.runtime(), log, die}, std::move(options));
  int code = 0;
  system.run([](Node& broker, io::Signal& stopped, bool& is_starting, const Logger& logger,
                int& exit_code) -> io::Task<void> {
    const uint64_t ticket = stopped.ticket();
    io::Scope telling;
    auto started = co_await broker.start();
    is_starting = false;
    if (!started) {
      complain(started.error());
      exit_code = exit_code_of(started.error().code());
    } else {
      telling.start(tell_when_ready(broker, logger));
      co_await stopped.wait(ticket);
      logger.info("stopping");
    }
    if (auto ended = co_await broker.stop(); !ended && exit_code == 0) {
      complain(ended.error());
      exit_code = exit_code_of(ended.error().code());
    }
    co_await telling.join();
  }(node, stop, starting, log, code));
  return code;
}

/// `sluiced recover-quorum`; the process's exit code.
int recover(const BrokerOptions& options, const RecoverCommand& command) {
  io::System system(options.system);
  std::string said;
  Result<> outcome;
  system.run([](io::Runtime& runtime, const BrokerOptions& of, RecoverCommand told,
                std::string& out, Result<>& to) -> io::Task<void> {
    to = co_await recover_quorum(runtime, of, std::move(told), out);
  }(system.runtime(), options, command, said, outcome));
  std::fputs(said.c_str(), stdout);
  if (outcome) return 0;
  complain(outcome.error());
  return exit_code_of(outcome.error().code());
}

}  // namespace
}  // namespace sluice::broker

int main(int argc, char** argv) {
  using namespace sluice;
  using namespace sluice::broker;
  CommandLine line;
  CLI::App app("sluiced: the broker of sluice, a log-structured message broker", "sluiced");
  describe(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kWrongUsage;
  }
  if (line.version) {
    std::printf("sluiced %s\n", kVersion);
    return 0;
  }
  if (line.print_config) {
    std::fputs(broker_settings().render_documented().c_str(), stdout);
    return 0;
  }
  std::vector<std::string> warnings;
  auto text = read_config(line.config);
  if (!text) {
    complain(text.error());
    return exit_code_of(text.error().code());
  }
  auto loaded = load_options(line, *text, environment(), warnings);
  for (const std::string& warning : warnings) {
    std::fprintf(stderr, "sluiced: warning: %s\n", warning.c_str());
  }
  if (!loaded) {
    complain(loaded.error());
    return exit_code_of(loaded.error().code());
  }
  // It needs next to none, and is for when nothing else works.
  if (line.recover) return recover(loaded->options, line.recovery);
  const auto plan = fit_memory(*loaded);
  if (!plan) {
    complain(plan.error());
    return exit_code_of(plan.error().code());
  }
  if (line.check_config) {
    std::fputs(render_effective(loaded->effective).c_str(), stdout);
    return 0;
  }
  return run(std::move(loaded->options), *plan);
}
