#include "client/cli/output.h"

#include <algorithm>
#include <utility>

#include <yaml-cpp/yaml.h>

namespace sluice::cli {
namespace {

/// Characters, not bytes: what a cell takes on the screen, double-width letters aside.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char letter) { return (letter & 0xC0) != 0x80; }));
}

std::string_view first_characters(std::string_view text, size_t count) {
  size_t end = 0;
  for (; end < text.size(); ++end) {
    if ((text[end] & 0xC0) != 0x80 && count-- == 0) break;
  }
  return text.substr(0, end);
}

class TableText {
 public:
  TableText(const Table& table, const OutputStyle& style) : table_(table), style_(style) {
    for (size_t i = 0; i < table.columns.size(); ++i) {
      if (table.columns[i].wide && style.format != OutputFormat::wide) continue;
      size_t width = width_of(table.columns[i].title);
      for (const auto& row : table.rows) width = std::max(width, width_of(row.at(i)));
      shown_.push_back({i, width});
    }
  }

  void append_to(std::string& out) const {
    std::vector<std::string> titles;
    for (const Column& column : table_.columns) titles.push_back(column.title);
    const std::string head = line(titles);
    out += style_.colour ? "\x1b[1m" + head + "\x1b[0m\n" : head + "\n";
    for (const auto& row : table_.rows) out += line(row) + "\n";
  }

 private:
  struct Shown {
    size_t column;
    size_t width;
  };

  std::string line(const std::vector<std::string>& cells) const {
    std::string text;
    for (const auto& [column, width] : shown_) {
      const std::string& cell = cells.at(column);
      const std::string padding(width - width_of(cell), ' ');
      if (!text.empty()) text += "  ";
      text += table_.columns[column].numeric ? padding + cell : cell + padding;
    }
    if (style_.columns != 0) text = first_characters(text, style_.columns);
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  }

  const Table& table_;
  const OutputStyle& style_;
  std::vector<Shown> shown_;
};

void emit(YAML::Emitter& yaml, const Json& value) {
  switch (value.type()) {
    case Json::value_t::object:
      yaml << YAML::BeginMap;
      for (const auto& [key, member] : value.items()) {
        yaml << YAML::Key << key << YAML::Value;
        emit(yaml, member);
      }
      yaml << YAML::EndMap;
      break;
    case Json::value_t::array:
      if (value.empty()) yaml << YAML::Flow;
      yaml << YAML::BeginSeq;
      for (const Json& element : value) emit(yaml, element);
      yaml << YAML::EndSeq;
      break;
    case Json::value_t::string:
      // Quoted, so that "1", "no" and "null" stay texts.
      yaml << YAML::DoubleQuoted << value.get<std::string>();
      break;
    case Json::value_t::null:
      yaml << YAML::Null;
      break;
    default:
      yaml << value.dump();
      break;
  }
}

std::string to_yaml(const Json& document) {
  YAML::Emitter yaml;
  emit(yaml, document);
  return std::string(yaml.c_str()) + "\n";
}

std::string to_text(const Report& report, const OutputStyle& style) {
  std::string out;
  for (const std::string& line : report.lines) out += line + "\n";
  for (const Table& table : report.tables) {
    if (!out.empty()) out += "\n";
    TableText(table, style).append_to(out);
  }
  return out;
}

}  // namespace

Result<OutputFormat> parse_output_format(std::string_view text) {
  if (text == "table") return OutputFormat::table;
  if (text == "wide") return OutputFormat::wide;
  if (text == "json") return OutputFormat::json;
  if (text == "yaml") return OutputFormat::yaml;
  if (text == "name") return OutputFormat::name;
  return fail(Errc::invalid_argument,
              "-o '" + std::string(text) + "' is unknown; take table, wide, json, yaml or name");
}

std::string render(const Report& report, const OutputStyle& style) {
  switch (style.format) {
    case OutputFormat::table:
    case OutputFormat::wide:
      return to_text(report, style);
    case OutputFormat::json:
      return report.document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    case OutputFormat::yaml:
      return to_yaml(report.document);
    case OutputFormat::name:
      break;
  }
  std::string out;
  for (const std::string& name : report.names) out += name + "\n";
  return out;
}

}  // namespace sluice::cli
