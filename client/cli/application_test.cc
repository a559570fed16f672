#include "client/cli/application.h"

#include <algorithm>
#include <functional>
#include <sstream>

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

/// The commands that do something, with their paths ("topic create").
std::map<std::string, const CLI::App*> leaves_of(const CLI::App& app) {
  std::map<std::string, const CLI::App*> leaves;
  const std::function<void(const CLI::App&, const std::string&)> visit =
      [&](const CLI::App& at, const std::string& path) {
        const auto next = at.get_subcommands(nullptr);
        if (next.empty()) leaves[path] = &at;
        for (const CLI::App* command : next) {
          if (command->get_group().empty()) continue;
          visit(*command, path.empty() ? command->get_name() : path + " " + command->get_name());
        }
      };
  visit(app, "");
  return leaves;
}

/// As a shell splits it; quotes are single ones.
std::vector<std::string> shell_words(const std::string& line) {
  std::vector<std::string> words;
  bool quoted = false;
  bool open = false;
  for (const char letter : line) {
    if (letter == '\'') {
      quoted = !quoted;
      if (!open) words.emplace_back();
      open = true;
    } else if (letter == ' ' && !quoted) {
      open = false;
    } else {
      if (!open) words.emplace_back();
      open = true;
      words.back() += letter;
    }
  }
  return words;
}

/// The calls of sluice in a command's examples, as arguments.
std::vector<std::vector<std::string>> examples_of(const CLI::App& command) {
  std::vector<std::vector<std::string>> examples;
  std::istringstream footer(command.get_footer());
  for (std::string line; std::getline(footer, line);) {
    if (!line.starts_with("  ")) continue;
    std::vector<std::string> call;
    bool ours = false;
    for (const std::string& word : shell_words(line)) {
      const bool ends = word == "|" || word == ">";
      if (ends && ours) examples.push_back(std::exchange(call, {}));
      if (ends) ours = false;
      if (ours) call.push_back(word);
      if (word == "sluice") ours = true;
    }
    if (ours) examples.push_back(call);
  }
  return examples;
}

TEST(Application, EveryCommandHasADescriptionAndExamples) {
  Shell shell;
  const auto app = make_application(shell);
  for (const auto& [path, command] : leaves_of(*app)) {
    EXPECT_FALSE(command->get_description().empty()) << path;
    const bool by_its_noun = path.starts_with("completion");
    if (!by_its_noun) EXPECT_GE(examples_of(*command).size(), 2u) << path;
  }
}

TEST(Application, EveryExampleParsesAndReachesItsCommand) {
  Shell shell;
  const auto app = make_application(shell);
  for (const auto& [path, command] : leaves_of(*app)) {
    for (std::vector<std::string> example : examples_of(*command)) {
      Shell fresh;
      const auto parser = make_application(fresh);
      std::ranges::reverse(example);  // CLI11 takes the last argument first.
      EXPECT_NO_THROW(parser->parse(example)) << path;
      EXPECT_FALSE(fresh.label().empty()) << path;
    }
  }
}

TEST(Application, KnowsTheWordsThatScriptsRelyOn) {
  Shell shell;
  const auto app = make_application(shell);
  const auto leaves = leaves_of(*app);
  for (const auto* path :
       {"topic create",  "topic list",      "topic describe", "topic alter",  "topic delete",
        "produce",       "consume",         "offsets",        "log dump",     "bench produce",
        "bench consume", "bench latency",   "cluster status", "cluster join", "cluster leave",
        "broker drain",  "partition move",  "doctor",         "context use",  "context list",
        "context show",  "completion bash", "completion zsh"}) {
    EXPECT_TRUE(leaves.contains(path)) << path;
  }
}

TEST(Application, GlobalFlagsStandBeforeOrBehindTheCommand) {
  for (const auto* line : {"-b a:1,b:2 -o json topic list", "topic list -b a:1,b:2 -o json",
                           "topic -o json list -b a:1,b:2"}) {
    Shell shell;
    const auto app = make_application(shell);
    auto words = shell_words(line);
    std::ranges::reverse(words);
    app->parse(words);
    EXPECT_EQ(shell.flags().brokers, std::vector<std::string>{"a:1,b:2"}) << line;
    EXPECT_EQ(shell.flags().output, "json") << line;
  }
}

/// What the program ends with when its command fails with `error`.
int ending_with(const Error& error) {
  Shell shell;
  shell.choose("test", [&]() -> Result<> { return fail(error); });
  return finish(shell);
}

TEST(Application, AConnectionThatEndsIsNoSuccess) {
  EXPECT_EQ(ending_with(Errc::connection_closed), 3);
  EXPECT_EQ(ending_with({Errc::connection_failed, "connect to a:1 timed out"}), 3);
  EXPECT_EQ(ending_with(Errc::timed_out), 6);
}

TEST(Application, ValuesMayBeginWithADash) {
  Shell shell;
  const auto app = make_application(shell);
  EXPECT_NO_THROW(app->parse("consume words --from -15m --until -1"));
}

}  // namespace
}  // namespace sluice::cli
