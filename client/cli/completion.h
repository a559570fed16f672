#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace sluice::cli {

/// What may stand in the place of the last word.
struct Completion {
  /// Words known without asking anybody, already fitting what was typed.
  std::vector<std::string> words;
  /// What else may stand there.
  enum class Names : uint8_t { none, topics, brokers, contexts } names = Names::none;
  /// Values of -b and --context that were typed, to ask the right cluster.
  std::vector<std::string> brokers;
  std::string context;
};

/// For a line "sluice WORD..." whose last word, which may be empty, is being typed.
Completion complete(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace sluice::cli
