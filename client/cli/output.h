#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace sluice::cli {

enum class OutputFormat : uint8_t { table, wide, json, yaml, name };
/// invalid_argument with the five names.
Result<OutputFormat> parse_output_format(std::string_view text);

using Json = nlohmann::ordered_json;

struct Column {
  std::string title;
  bool numeric = false;
  /// Shown by -o wide only.
  bool wide = false;
};

/// What people read: a line or aligned columns.
struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

/// What a command has to say, for machines and for people: one document, the tables that show the
/// same, and the names for -o name.
struct Report {
  Json document;
  /// Printed before the tables, each a line of its own.
  std::vector<std::string> lines;
  std::vector<Table> tables;
  std::vector<std::string> names;
};

struct OutputStyle {
  OutputFormat format = OutputFormat::table;
  /// Titles in bold.
  bool colour = false;
  /// Lines of tables are cut here; 0: never.
  size_t columns = 0;
};

/// The text, ending with a newline unless it is empty.
std::string render(const Report& report, const OutputStyle& style);

}  // namespace sluice::cli
