#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::cli {

/// A cluster that people name: its brokers and client properties.
struct Context {
  std::vector<std::string> brokers;
  std::map<std::string, std::string> properties;
  friend bool operator==(const Context&, const Context&) = default;
};

/// What stands in client.toml:
///
///   current = "staging"
///   [contexts.staging]
///   brokers = ["a:9092", "b:9092"]
///   properties = { "linger.ms" = "5" }
struct Contexts {
  std::string current;
  std::map<std::string, Context> by_name;
  friend bool operator==(const Contexts&, const Contexts&) = default;
};

/// `file` is its name in errors; invalid_argument with the line, for unknown keys too.
Result<Contexts> parse_contexts(std::string_view text, std::string_view file);
std::string render_contexts(const Contexts& contexts);

/// $XDG_CONFIG_HOME/sluice/client.toml, else ~/.config/sluice/client.toml; not_found when neither
/// variable is set.
Result<std::string> contexts_path();
/// Empty when there is no file.
Result<Contexts> load_contexts();
/// Replaces the file as one step; its directories are made.
Result<> save_contexts(const Contexts& contexts);

/// not_found with the names that exist.
Result<Context> find_context(const Contexts& contexts, std::string_view name);

}  // namespace sluice::cli
