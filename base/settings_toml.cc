#include <array>
#include <charconv>
#include <map>

#include <toml++/toml.h>

#include "base/settings.h"

namespace sluice {
namespace {

std::string place(std::string_view file, const toml::source_region& source) {
  return std::string(file) + ":" + std::to_string(source.begin.line);
}

std::string text_of(double value) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

/// The text of a scalar; nothing for what no setting takes (dates, tables inside of arrays).
std::optional<std::string> scalar_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* whole = node.as_integer()) return std::to_string(whole->get());
  if (const auto* number = node.as_floating_point()) return text_of(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  return std::nullopt;
}

std::optional<std::string> list_text(const toml::array& array) {
  std::string out;
  for (const toml::node& element : array) {
    const auto* text = element.as_string();
    // A comma would make two elements of one, further down.
    if (text == nullptr || text->get().find(',') != std::string::npos) return std::nullopt;
    out.append(out.empty() ? "" : ",").append(text->get());
  }
  return out;
}

using ByLine = std::multimap<uint32_t, SettingAssignment>;

/// By line, because the parser sorts by key, and people read errors from top to bottom.
Result<> flatten(const toml::table& table, const std::string& prefix, std::string_view file,
                 ByLine& out) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    if (const auto* inner = node.as_table()) {
      RETURN_IF_ERROR(flatten(*inner, key + ".", file, out));
      continue;
    }
    const auto text = node.is_array() ? list_text(*node.as_array()) : scalar_text(node);
    const std::string where = place(file, node.source());
    if (!text) {
      return fail(Errc::invalid_config,
                  where + ": " + key +
                      ": no setting takes a value of this type; give a text, a number, true, "
                      "false, or an array of texts without commas");
    }
    out.emplace(node.source().begin.line,
                SettingAssignment{key, *text, SettingSource::file, where});
  }
  return {};
}

}  // namespace

Result<std::vector<SettingAssignment>> read_toml(std::string_view text, std::string_view file) {
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    return fail(Errc::invalid_config, place(file, parsed.error().source()) + ": " +
                                          std::string(parsed.error().description()));
  }
  ByLine by_line;
  RETURN_IF_ERROR(flatten(parsed.table(), "", file, by_line));
  // The parser refuses a second `a.b`, but "a.b" in quotes is another key to it and none to us.
  std::map<std::string, std::string> seen;
  std::vector<SettingAssignment> assignments;
  for (auto& [line, assignment] : by_line) {
    const auto [first, fresh] = seen.emplace(assignment.key, assignment.where);
    if (!fresh) {
      return fail(Errc::invalid_config, assignment.where + ": " + assignment.key +
                                            " was given before, at " + first->second +
                                            "; remove one");
    }
    assignments.push_back(std::move(assignment));
  }
  return assignments;
}

}  // namespace sluice
