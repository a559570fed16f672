#include "client/cli/completion.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>

#include "client/cli/commands.h"
#include "client/cli/contexts.h"

namespace sluice::cli {
namespace {

// Words are cut at blanks here, not by the shell, which would split HOST:PORT and key=value, too.
constexpr std::string_view kBash = R"bash(_sluice() {
  local -a words
  local line=${COMP_LINE:0:COMP_POINT} IFS=$' \t\n'
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  IFS=$'\n'
  COMPREPLY=($(sluice __complete -- "${words[@]:1}" 2>/dev/null))
}
complete -o default -F _sluice sluice
)bash";

// Autoloaded, the file is the body of the first call; sourced, nobody has pressed Tab.
constexpr std::string_view kZsh = R"zsh(#compdef sluice
_sluice() {
  local -a found
  found=(${(f)"$(sluice __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( ${#found} )); then compadd -a found; else _files; fi
}
compdef _sluice sluice
if [[ ${funcstack[1]} == _sluice ]]; then _sluice "$@"; fi
)zsh";

const CLI::Option* find_option(const CLI::App& app, const std::string& word) {
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      if (!option->get_positional() && option->check_name(word)) return option;
    }
  }
  return nullptr;
}

bool takes_value(const CLI::Option* option) {
  return option != nullptr && option->get_expected_max() > 0 &&
         option->get_items_expected_max() > 0;
}

std::span<const std::string_view> values_of(const CLI::Option& option) {
  static constexpr std::string_view kOutputs[] = {"table", "wide", "json", "yaml", "name"};
  static constexpr std::string_view kCodecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
  static constexpr std::string_view kAcks[] = {"0", "1", "all"};
  static constexpr std::string_view kBounds[] = {"beginning", "end"};
  if (option.check_lname("output")) return kOutputs;
  if (option.check_lname("compression")) return kCodecs;
  if (option.check_lname("acks")) return kAcks;
  if (option.check_lname("from") || option.check_lname("until")) return kBounds;
  return {};
}

/// Walks the words that are complete: which command they reach, and what is still open.
class Walk {
 public:
  Walk(const CLI::App& app, std::span<const std::string> words) : command_(&app) {
    for (const std::string& word : words) step(word);
  }

  const CLI::App& command() const { return *command_; }
  /// The flag whose value comes next.
  const CLI::Option* open_option() const { return open_; }
  /// The positional that comes next, or null.
  const CLI::Option* next_positional() const {
    size_t seen = 0;
    for (const CLI::Option* option : command_->get_options()) {
      if (option->get_positional() && seen++ == positionals_) return option;
    }
    return nullptr;
  }
  void note_flags(Completion& completion) const {
    completion.brokers = brokers_;
    completion.context = context_;
  }

 private:
  void step(const std::string& word) {
    if (open_ != nullptr) {
      if (open_->check_lname("brokers")) brokers_.push_back(word);
      if (open_->check_lname("context")) context_ = word;
      open_ = nullptr;
    } else if (word.starts_with('-')) {
      const CLI::Option* option = find_option(*command_, word);
      if (takes_value(option)) open_ = option;
    } else if (const CLI::App* next = subcommand(word)) {
      command_ = next;
    } else {
      ++positionals_;
    }
  }

  const CLI::App* subcommand(const std::string& word) const {
    for (const CLI::App* next : command_->get_subcommands(nullptr)) {
      if (next->get_name() == word) return next;
    }
    return nullptr;
  }

  const CLI::App* command_;
  const CLI::Option* open_ = nullptr;
  size_t positionals_ = 0;
  std::vector<std::string> brokers_;
  std::string context_;
};

void add_flags(const CLI::App& command, std::vector<std::string>& words) {
  for (const CLI::App* at = &command; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
      for (const std::string& name : option->get_snames()) words.push_back("-" + name);
    }
  }
}

/// To the cluster that the line names: somebody waits for the Tab key.
Result<std::unique_ptr<client::Client>> connect_quickly(Shell& shell,
                                                        const Completion& completion) {
  shell.flags().brokers = completion.brokers;
  shell.flags().context = completion.context;
  shell.flags().properties = {"request.timeout.ms=1000", "socket.connection.setup.timeout.ms=1000"};
  return shell.connect();
}

/// Prints what complete() finds, with the names that must be asked for.
Result<> print_completion(Shell& shell, const CLI::App& app,
                          const std::vector<std::string>& words) {
  Completion completion = complete(app, words);
  std::vector<std::string> found = std::move(completion.words);
  const std::string typed = words.empty() ? "" : words.back();
  if (completion.names == Completion::Names::contexts) {
    ASSIGN_OR_RETURN(const Contexts contexts, load_contexts());
    for (const auto& [name, context] : contexts.by_name) found.push_back(name);
  }
  if (completion.names == Completion::Names::topics) {
    ASSIGN_OR_RETURN(const auto client, connect_quickly(shell, completion));
    ASSIGN_OR_RETURN(const auto topics, client->admin()->list_topics());
    for (const client::TopicSummary& topic : topics) found.push_back(topic.name);
  }
  if (completion.names == Completion::Names::brokers) {
    ASSIGN_OR_RETURN(const auto client, connect_quickly(shell, completion));
    ASSIGN_OR_RETURN(const auto cluster, client->admin()->cluster());
    for (const auto& broker : cluster.brokers) found.push_back(std::to_string(broker.id.value()));
  }
  std::string out;
  for (const std::string& word : found) {
    if (word.starts_with(typed)) out += word + "\n";
  }
  return shell.write(out);
}

}  // namespace

Completion complete(const CLI::App& app, const std::vector<std::string>& words) {
  Completion completion;
  const std::string typed = words.empty() ? "" : words.back();
  const Walk walk(app, std::span(words).first(words.empty() ? 0 : words.size() - 1));
  walk.note_flags(completion);
  std::vector<std::string> found;
  if (const CLI::Option* option = walk.open_option()) {
    for (const std::string_view value : values_of(*option)) found.emplace_back(value);
    if (option->check_lname("context")) completion.names = Completion::Names::contexts;
  } else if (typed.starts_with('-')) {
    add_flags(walk.command(), found);
  } else if (const auto next = walk.command().get_subcommands(nullptr); !next.empty()) {
    for (const CLI::App* command : next) {
      if (!command->get_group().empty()) found.push_back(command->get_name());
    }
  } else if (const CLI::Option* positional = walk.next_positional()) {
    if (positional->check_name("topic")) completion.names = Completion::Names::topics;
    if (positional->check_name("broker")) completion.names = Completion::Names::brokers;
    if (positional->check_name("context")) completion.names = Completion::Names::contexts;
  }
  std::erase_if(found, [&](const std::string& word) { return !word.starts_with(typed); });
  completion.words = std::move(found);
  return completion;
}

void add_completion(CLI::App& parent, Shell& shell) {
  CLI::App& noun = *parent.add_subcommand("completion", "Prints the completion for a shell");
  noun.require_subcommand(1);
  noun.footer(
      "Examples:\n"
      "  source <(sluice completion bash)\n"
      "  sluice completion zsh > ~/.zfunc/_sluice");
  const auto add = [&](const char* name, const char* description, std::string_view script) {
    noun.add_subcommand(name, description)->callback([&shell, name, script] {
      shell.choose(std::string("completion ") + name,
                   [&shell, script] { return shell.write(script); });
    });
  };
  add("bash", "For bash", kBash);
  add("zsh", "For zsh", kZsh);

  // Hidden: what the scripts call.
  CLI::App& answer = *parent.add_subcommand("__complete", "")->group("");
  const auto words = std::make_shared<std::vector<std::string>>();
  answer.add_option("words", *words);
  answer.callback([&shell, &parent, words] {
    shell.choose("completion",
                 [&shell, &parent, words] { return print_completion(shell, parent, *words); });
  });
}

}  // namespace sluice::cli
