#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/include/sluice/producer.h"

namespace sluice::cli {

/// A record as it was read; views into the line and the parser, valid until the next parse().
struct ParsedRecord {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::optional<PartitionId> partition;
  std::optional<Timestamp> timestamp;
  std::vector<client::Header> headers;
};

/// Makes records of lines.
class RecordParser {
 public:
  virtual ~RecordParser() = default;
  /// invalid_argument says what is wrong with the line.
  virtual Result<> parse(std::string_view line, ParsedRecord& record) = 0;
  /// What ends a line.
  virtual std::string delimiter() const { return "\n"; }
};

/// The line is the value; with a separator, what stands before its first occurrence is the key. A
/// line without it has no key.
std::unique_ptr<RecordParser> line_parser(std::string key_separator);
/// By a FORMAT as parse_format takes it, of %k %s %p %T %h and literals between them; a literal at
/// the end ends the records (a newline when there is none). Headers are "a=1,b=2".
Result<std::unique_ptr<RecordParser>> format_parser(std::string_view format);
/// One JSON object a line, as `consume -o json` writes them: key, value, headers, partition,
/// timestamp; key_base64 and value_base64 for bytes. Other members are left out of account.
std::unique_ptr<RecordParser> json_parser();

}  // namespace sluice::cli
