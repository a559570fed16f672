#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/include/sluice/consumer.h"

namespace sluice::cli {

/// A piece of a FORMAT: a literal or one thing of a record.
struct FormatPiece {
  enum class Kind : uint8_t {
    literal,
    topic,
    partition,
    offset,
    timestamp,
    key,
    value,
    headers,
    key_size,
    value_size,
  } kind = Kind::literal;
  std::string literal;
};

/// Splits a FORMAT of kcat's kind: %t topic, %p partition, %o offset, %T timestamp, %k key, %s
/// value, %h headers, %K and %S sizes, %% a percent sign; \n \t \r \0 \\ \xHH. Neighbouring
/// literals are one piece. invalid_argument names what is unknown.
Result<std::vector<FormatPiece>> parse_format(std::string_view format);

/// Prints records by a FORMAT. A missing key or value prints as nothing, and its size as -1.
class RecordFormat {
 public:
  static Result<RecordFormat> parse(std::string_view format);
  void append(std::string& out, const client::ConsumedRecord& record) const;

 private:
  explicit RecordFormat(std::vector<FormatPiece> pieces) : pieces_(std::move(pieces)) {}
  std::vector<FormatPiece> pieces_;
};

}  // namespace sluice::cli
