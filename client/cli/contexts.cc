#include "client/cli/contexts.h"

#include <sstream>
#include <utility>

#include <toml++/toml.h>

#include "base/bytes.h"
#include "io/block_on.h"
#include "io/console.h"
#include "io/process.h"
#include "io/system.h"

namespace sluice::cli {
namespace {

constexpr size_t kLargestFile = 1_MiB;

std::unexpected<Error> refuse(std::string_view file, const toml::source_region& where,
                              std::string why) {
  return fail(Errc::invalid_argument,
              std::string(file) + ":" + std::to_string(where.begin.line) + ": " + std::move(why));
}

Result<std::vector<std::string>> read_brokers(const toml::node& node, std::string_view file) {
  std::vector<std::string> brokers;
  const toml::array* list = node.as_array();
  if (list == nullptr) return refuse(file, node.source(), "brokers is a list of \"host:port\"");
  for (const toml::node& element : *list) {
    const auto text = element.value<std::string>();
    if (!text) return refuse(file, element.source(), "brokers is a list of \"host:port\"");
    brokers.push_back(*text);
  }
  return brokers;
}

Result<std::map<std::string, std::string>> read_properties(const toml::node& node,
                                                           std::string_view file) {
  std::map<std::string, std::string> properties;
  const toml::table* table = node.as_table();
  if (table == nullptr) return refuse(file, node.source(), "properties is a table of texts");
  for (const auto& [key, value] : *table) {
    const auto text = value.value<std::string>();
    if (!text) {
      return refuse(file, value.source(),
                    std::string(key.str()) + " is not a text; write it as \"...\"");
    }
    properties.emplace(key.str(), *text);
  }
  return properties;
}

Result<Context> read_context(const toml::node& node, std::string_view file) {
  Context context;
  const toml::table* table = node.as_table();
  if (table == nullptr) return refuse(file, node.source(), "a context is a table");
  for (const auto& [key, value] : *table) {
    if (key.str() == "brokers") {
      ASSIGN_OR_RETURN(context.brokers, read_brokers(value, file));
    } else if (key.str() == "properties") {
      ASSIGN_OR_RETURN(context.properties, read_properties(value, file));
    } else {
      return refuse(file, value.source(),
                    "'" + std::string(key.str()) + "' is unknown; take brokers or properties");
    }
  }
  return context;
}

}  // namespace

Result<Contexts> parse_contexts(std::string_view text, std::string_view file) {
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    return refuse(file, parsed.error().source(), std::string(parsed.error().description()));
  }
  Contexts contexts;
  for (const auto& [key, value] : parsed.table()) {
    if (key.str() == "current" && value.is_string()) {
      contexts.current = *value.value<std::string>();
    } else if (key.str() == "contexts" && value.is_table()) {
      for (const auto& [name, node] : *value.as_table()) {
        ASSIGN_OR_RETURN(Context context, read_context(node, file));
        contexts.by_name.emplace(name.str(), std::move(context));
      }
    } else {
      return refuse(file, value.source(),
                    "'" + std::string(key.str()) +
                        "' is unknown or of the wrong kind; take current = \"NAME\" or "
                        "[contexts.NAME]");
    }
  }
  return contexts;
}

std::string render_contexts(const Contexts& contexts) {
  toml::table by_name;
  for (const auto& [name, context] : contexts.by_name) {
    toml::array brokers;
    for (const auto& broker : context.brokers) brokers.push_back(broker);
    toml::table entry;
    entry.insert("brokers", std::move(brokers));
    if (!context.properties.empty()) {
      toml::table properties;
      for (const auto& [key, value] : context.properties) properties.insert(key, value);
      entry.insert("properties", std::move(properties));
    }
    by_name.insert(name, std::move(entry));
  }
  toml::table file;
  if (!contexts.current.empty()) file.insert("current", contexts.current);
  file.insert("contexts", std::move(by_name));
  std::ostringstream text;
  text << file << "\n";
  return text.str();
}

Result<std::string> contexts_path() {
  if (const auto config = io::environment_variable("XDG_CONFIG_HOME"); config && !config->empty()) {
    return *config + "/sluice/client.toml";
  }
  if (const auto home = io::environment_variable("HOME"); home && !home->empty()) {
    return *home + "/.config/sluice/client.toml";
  }
  return fail(Errc::not_found,
              "neither XDG_CONFIG_HOME nor HOME is set, so there is no place for client.toml");
}

Result<Contexts> load_contexts() {
  const auto path = contexts_path();
  if (!path) return Contexts{};
  const auto text = io::read_text_file(*path, kLargestFile);
  if (!text && text.error() == Errc::file_not_found) return Contexts{};
  if (!text) return fail(text.error());
  return parse_contexts(*text, *path);
}

Result<> save_contexts(const Contexts& contexts) {
  ASSIGN_OR_RETURN(const std::string path, contexts_path());
  const std::string text = render_contexts(contexts);
  const ByteView bytes = as_bytes(text);
  io::System system({.workers = 1, .pool_threads = 1});
  io::Disk& disk = system.runtime().disk;
  io::Loop& loop = system.runtime().executor.worker(0);
  RETURN_IF_ERROR(
      io::block_on(loop, disk.create_directories(path.substr(0, path.find_last_of('/')))));
  return io::block_on(loop, io::replace_file(disk, path, {bytes.begin(), bytes.end()}));
}

Result<Context> find_context(const Contexts& contexts, std::string_view name) {
  const auto found = contexts.by_name.find(std::string(name));
  if (found != contexts.by_name.end()) return found->second;
  std::string known;
  for (const auto& [other, context] : contexts.by_name)
    known += (known.empty() ? "" : ", ") + other;
  return fail(Errc::not_found, "there is no context '" + std::string(name) + "'; " +
                                   (known.empty() ? "make it with sluice context use " +
                                                        std::string(name) + " -b HOST:PORT"
                                                  : "there are " + known));
}

}  // namespace sluice::cli
