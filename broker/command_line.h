#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/settings.h"
#include "broker/options.h"
#include "broker/recover_quorum.h"

namespace CLI {
class App;
}

namespace sluice::broker {

/// The flags of sluiced, as given.
struct CommandLine {
  std::string data;
  std::string listen;
  std::string admin;
  std::string config;
  std::vector<std::string> set;
  bool check_config = false;
  bool print_config = false;
  bool version = false;
  /// `sluiced recover-quorum`, with what it is told.
  bool recover = false;
  RecoverCommand recovery;
};

void describe(CLI::App& app, CommandLine& line);

/// The options in force: the file (`config_text` is its content), then SLUICE_ variables, then
/// flags, the last one wins. Errors name file and line, flag or variable, the key, the value and
/// what is allowed. `warnings` are for people.
Result<SettingsTable<BrokerOptions>::Loaded> load_options(const CommandLine& line,
                                                          std::string_view config_text,
                                                          const std::vector<std::string>& variables,
                                                          std::vector<std::string>& warnings);

}  // namespace sluice::broker
