#pragma once

#include <functional>
#include <memory>

#include <CLI/CLI.hpp>

#include "client/cli/shell.h"

namespace sluice::cli {

/// Adds --watch[=SECONDS] to a command; the seconds, 0 without the flag.
std::shared_ptr<double> add_watch(CLI::App& command);

/// Prints what `look` finds; with `seconds` again and again until it is interrupted: on a cleared
/// screen where people read it, one object a line with -o json. What goes wrong then is said, and
/// does not end it: trouble is what is being watched.
Result<> watch(const Shell& shell, double seconds, const std::function<Result<Report>()>& look);

/// Ctrl-C ends it at once.
void pause(const Clock& clock, Duration duration);

}  // namespace sluice::cli
