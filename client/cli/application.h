#pragma once

#include <memory>

#include <CLI/CLI.hpp>

#include "client/cli/shell.h"

namespace sluice::cli {

/// All commands with their flags and help.
std::unique_ptr<CLI::App> make_application(Shell& shell);

/// Parses the arguments and finishes; the exit code.
int run(int argc, char** argv);
/// Runs the command that was parsed and prints its error as one line; the exit code.
int finish(Shell& shell);

}  // namespace sluice::cli
