#include <memory>

#include "client/cli/commands.h"
#include "client/cli/contexts.h"

namespace sluice::cli {
namespace {

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

Json document_of(const std::string& name, const Context& context, bool current) {
  return {{"name", name},
          {"current", current},
          {"brokers", context.brokers},
          {"properties", context.properties}};
}

/// Makes a context the current one; with -b it is made, or its brokers replaced.
Result<> use(const Shell& shell, const std::string& name) {
  ASSIGN_OR_RETURN(Contexts contexts, load_contexts());
  if (shell.flags().brokers.empty()) {
    RETURN_IF_ERROR(find_context(contexts, name));
  } else {
    ASSIGN_OR_RETURN(contexts.by_name[name], shell.context_of_flags());
  }
  contexts.current = name;
  RETURN_IF_ERROR(save_contexts(contexts));
  const Context& context = contexts.by_name.at(name);
  return shell.say("now using " + name + " (" + joined(context.brokers) + ")",
                   document_of(name, context, true), name);
}

Result<> list(const Shell& shell) {
  ASSIGN_OR_RETURN(const Contexts contexts, load_contexts());
  Report report{.document = Json::array()};
  Table table{.columns = {{"CURRENT"}, {"NAME"}, {"BROKERS"}}, .rows = {}};
  for (const auto& [name, context] : contexts.by_name) {
    const bool current = name == contexts.current;
    report.document.push_back(document_of(name, context, current));
    table.rows.push_back({current ? "*" : "", name, joined(context.brokers)});
    report.names.push_back(name);
  }
  report.tables.push_back(std::move(table));
  return shell.print(report);
}

Result<> show(const Shell& shell, const std::string& asked) {
  ASSIGN_OR_RETURN(const Contexts contexts, load_contexts());
  const std::string name = asked.empty() ? contexts.current : asked;
  if (name.empty()) {
    return fail(Errc::not_found,
                "no context is in use; make one with sluice context use NAME -b HOST:PORT");
  }
  ASSIGN_OR_RETURN(const Context context, find_context(contexts, name));
  Report report{.document = document_of(name, context, name == contexts.current)};
  report.names.push_back(name);
  report.lines.push_back(name + "  brokers " + joined(context.brokers));
  for (const auto& [key, value] : context.properties) {
    report.lines.push_back("  " + key + " = " + value);
  }
  return shell.print(report);
}

void add_use(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand("use", "Makes a context the current one");
  const auto name = std::make_shared<std::string>();
  command.add_option("context", *name, "Its name; with -b it is made or changed")->required();
  command.footer(
      "Examples:\n"
      "  sluice context use local -b 127.0.0.1:9092\n"
      "  sluice context use batch -b 127.0.0.1:9092 -X linger.ms=20\n"
      "  sluice context use local");
  command.callback([&shell, name] {
    shell.choose("context use " + *name, [&shell, name] { return use(shell, *name); });
  });
}

void add_list(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand("list", "Lists the contexts");
  command.footer("Examples:\n  sluice context list\n  sluice context list -o name");
  command.callback([&shell] { shell.choose("context list", [&shell] { return list(shell); }); });
}

void add_show(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand("show", "Shows a context, or the current one");
  const auto name = std::make_shared<std::string>();
  command.add_option("context", *name, "Its name");
  command.footer("Examples:\n  sluice context show\n  sluice context show local -o yaml");
  command.callback([&shell, name] {
    shell.choose("context show", [&shell, name] { return show(shell, *name); });
  });
}

}  // namespace

void add_context(CLI::App& parent, Shell& shell) {
  CLI::App& noun = *parent.add_subcommand("context", "Names clusters in client.toml");
  noun.require_subcommand(1);
  add_use(noun, shell);
  add_list(noun, shell);
  add_show(noun, shell);
}

}  // namespace sluice::cli
