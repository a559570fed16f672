#include "client/cli/watch.h"

#include <algorithm>
#include <string>

#include "io/console.h"
#include "io/process.h"

namespace sluice::cli {
namespace {

/// Of a pause, so that Ctrl-C ends it at once.
constexpr Duration kSlice = 50ms;

Result<> show(const Shell& shell, const Report& report, bool clears) {
  if (shell.format() == OutputFormat::json) return shell.write(report.document.dump() + "\n");
  if (clears) RETURN_IF_ERROR(shell.write("\x1b[H\x1b[2J"));
  return shell.print(report);
}

}  // namespace

std::shared_ptr<double> add_watch(CLI::App& command) {
  const auto seconds = std::make_shared<double>(0);
  // Bound to a number, a flag would count how often it is given.
  const std::string help = "Shows it anew every two seconds, or --watch=SECONDS, until Ctrl-C";
  command.add_flag("-w{2},--watch{2}", help)
      ->check(CLI::PositiveNumber)
      ->each([seconds](const std::string& text) { *seconds = std::stod(text); });
  return seconds;
}

void pause(const Clock& clock, Duration duration) {
  const TimePoint until = clock.now() + duration;
  while (clock.now() < until && !io::interrupted()) {
    io::block_until(std::min(until, clock.now() + kSlice));
  }
}

Result<> watch(const Shell& shell, double seconds, const std::function<Result<Report>()>& look) {
  if (seconds <= 0) {
    ASSIGN_OR_RETURN(const Report report, look());
    return shell.print(report);
  }
  const bool clears =
      io::is_terminal(io::StandardStream::out) &&
      (shell.format() == OutputFormat::table || shell.format() == OutputFormat::wide);
  const auto every = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  while (!io::interrupted()) {
    const Result<Report> report = look();
    if (report) {
      RETURN_IF_ERROR(show(shell, *report, clears));
    } else {
      shell.note(report.error().message());
    }
    pause(shell.clock(), every);
  }
  return {};
}

}  // namespace sluice::cli
