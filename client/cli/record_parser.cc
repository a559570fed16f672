#include "client/cli/record_parser.h"

#include <charconv>
#include <utility>

#include "client/cli/record_format.h"

namespace sluice::cli {
namespace {

using Kind = FormatPiece::Kind;

class LineParser final : public RecordParser {
 public:
  explicit LineParser(std::string key_separator) : separator_(std::move(key_separator)) {}

  Result<> parse(std::string_view line, ParsedRecord& record) override {
    const size_t at = separator_.empty() ? std::string_view::npos : line.find(separator_);
    if (at == std::string_view::npos) {
      record.key.reset();
      record.value = line;
    } else {
      record.key = line.substr(0, at);
      record.value = line.substr(at + separator_.size());
    }
    return {};
  }

 private:
  const std::string separator_;
};

template <class T>
Result<T> parse_number(std::string_view text, std::string_view what) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
    return fail(Errc::invalid_argument, "'" + std::string(text) + "' is no " + std::string(what));
  }
  return value;
}

Result<> parse_headers(std::string_view text, std::vector<client::Header>& headers) {
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view header = text.substr(0, comma);
    const size_t equals = header.find('=');
    if (equals == std::string_view::npos) {
      return fail(Errc::invalid_argument,
                  "header '" + std::string(header) + "' is not of the form key=value");
    }
    headers.push_back({header.substr(0, equals), header.substr(equals + 1)});
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return {};
}

class FormatParser final : public RecordParser {
 public:
  FormatParser(std::vector<FormatPiece> pieces, std::string delimiter)
      : pieces_(std::move(pieces)), delimiter_(std::move(delimiter)) {}

  std::string delimiter() const override { return delimiter_; }

  Result<> parse(std::string_view line, ParsedRecord& record) override {
    record = {};
    for (size_t i = 0; i < pieces_.size(); ++i) {
      if (pieces_[i].kind == Kind::literal) {
        RETURN_IF_ERROR(skip(line, pieces_[i].literal));
        continue;
      }
      size_t end = line.size();
      if (i + 1 < pieces_.size()) end = line.find(pieces_[i + 1].literal);
      if (end == std::string_view::npos) return missing(pieces_[i + 1].literal);
      RETURN_IF_ERROR(set(pieces_[i].kind, line.substr(0, end), record));
      line.remove_prefix(end);
    }
    if (line.empty()) return {};
    return fail(Errc::invalid_argument, "'" + std::string(line) + "' stands behind the format");
  }

 private:
  static std::unexpected<Error> missing(std::string_view literal) {
    return fail(Errc::invalid_argument, "'" + std::string(literal) + "' is missing");
  }
  static Result<> skip(std::string_view& line, std::string_view literal) {
    if (!line.starts_with(literal)) return missing(literal);
    line.remove_prefix(literal.size());
    return {};
  }
  static Result<> set(Kind kind, std::string_view text, ParsedRecord& record) {
    if (kind == Kind::key) {
      record.key = text;
    } else if (kind == Kind::value) {
      record.value = text;
    } else if (kind == Kind::headers) {
      return parse_headers(text, record.headers);
    } else if (kind == Kind::partition) {
      ASSIGN_OR_RETURN(const int32_t number, parse_number<int32_t>(text, "partition"));
      record.partition = PartitionId(number);
    } else {
      ASSIGN_OR_RETURN(const int64_t number,
                       parse_number<int64_t>(text, "timestamp (milliseconds since 1970)"));
      record.timestamp = Timestamp(number);
    }
    return {};
  }

  const std::vector<FormatPiece> pieces_;
  const std::string delimiter_;
};

bool can_be_set(Kind kind) {
  switch (kind) {
    case Kind::literal:
    case Kind::key:
    case Kind::value:
    case Kind::headers:
    case Kind::partition:
    case Kind::timestamp:
      return true;
    case Kind::topic:
    case Kind::offset:
    case Kind::key_size:
    case Kind::value_size:
      return false;
  }
  std::unreachable();
}

}  // namespace

std::unique_ptr<RecordParser> line_parser(std::string key_separator) {
  return std::make_unique<LineParser>(std::move(key_separator));
}

Result<std::unique_ptr<RecordParser>> format_parser(std::string_view format) {
  const auto refuse = [&](const char* why) {
    return fail(Errc::invalid_argument, "format '" + std::string(format) + "': " + why);
  };
  ASSIGN_OR_RETURN(auto pieces, parse_format(format));
  std::string delimiter = "\n";
  if (!pieces.empty() && pieces.back().kind == Kind::literal) {
    delimiter = std::move(pieces.back().literal);
    pieces.pop_back();
  }
  if (pieces.empty()) return refuse("names nothing of a record; take for example %k:%s");
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (!can_be_set(pieces[i].kind)) return refuse("a producer sets %k, %s, %p, %T and %h only");
    if (i > 0 && pieces[i].kind != Kind::literal && pieces[i - 1].kind != Kind::literal) {
      return refuse("two fields need something between them");
    }
  }
  return std::make_unique<FormatParser>(std::move(pieces), std::move(delimiter));
}

}  // namespace sluice::cli
