#include "client/cli/record_format.h"

#include <charconv>
#include <optional>
#include <utility>

namespace sluice::cli {
namespace {

using Kind = FormatPiece::Kind;

std::unexpected<Error> refuse(std::string_view format, std::string why) {
  return fail(Errc::invalid_argument, "format '" + std::string(format) + "': " + std::move(why));
}

std::optional<Kind> field_of(char letter) {
  switch (letter) {
    case 't':
      return Kind::topic;
    case 'p':
      return Kind::partition;
    case 'o':
      return Kind::offset;
    case 'T':
      return Kind::timestamp;
    case 'k':
      return Kind::key;
    case 's':
      return Kind::value;
    case 'h':
      return Kind::headers;
    case 'K':
      return Kind::key_size;
    case 'S':
      return Kind::value_size;
    default:
      return std::nullopt;
  }
}

/// The character an escape stands for; `rest` begins behind the backslash and loses what was read.
std::optional<char> unescape(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  const char letter = rest.front();
  rest.remove_prefix(1);
  switch (letter) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case '0':
      return '\0';
    case '\\':
      return '\\';
    case 'x':
      break;
    default:
      return std::nullopt;
  }
  unsigned value = 0;
  if (rest.size() < 2) return std::nullopt;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + 2, value, 16);
  if (error != std::errc{} || end != rest.data() + 2) return std::nullopt;
  rest.remove_prefix(2);
  return static_cast<char>(value);
}

void append_number(std::string& out, int64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  out.append(digits, end);
}

int64_t size_of(const std::optional<std::string_view>& text) {
  return text ? static_cast<int64_t>(text->size()) : -1;
}

void append_headers(std::string& out, const client::ConsumedRecord& record) {
  if (!record.has_headers()) return;
  bool first = true;
  for (const auto& header : record.headers()) {
    if (!std::exchange(first, false)) out += ',';
    out += header.key;
    out += '=';
    out += header.value.value_or("");
  }
}

}  // namespace

Result<std::vector<FormatPiece>> parse_format(std::string_view format) {
  std::vector<FormatPiece> pieces;
  const auto literal = [&](char letter) {
    if (pieces.empty() || pieces.back().kind != Kind::literal) pieces.emplace_back();
    pieces.back().literal += letter;
  };
  for (std::string_view rest = format; !rest.empty();) {
    const char letter = rest.front();
    rest.remove_prefix(1);
    if (letter == '\\') {
      const auto meant = unescape(rest);
      if (!meant) return refuse(format, "a backslash takes n, t, r, 0, \\ or xHH");
      literal(*meant);
    } else if (letter != '%') {
      literal(letter);
    } else if (rest.starts_with('%')) {
      rest.remove_prefix(1);
      literal('%');
    } else {
      const auto field = rest.empty() ? std::nullopt : field_of(rest.front());
      if (!field) {
        return refuse(format, "a percent sign takes t, p, o, k, s, T, h, S, K or %");
      }
      rest.remove_prefix(1);
      pieces.push_back({.kind = *field});
    }
  }
  return pieces;
}

Result<RecordFormat> RecordFormat::parse(std::string_view format) {
  ASSIGN_OR_RETURN(auto pieces, parse_format(format));
  return RecordFormat(std::move(pieces));
}

void RecordFormat::append(std::string& out, const client::ConsumedRecord& record) const {
  for (const FormatPiece& piece : pieces_) {
    switch (piece.kind) {
      case Kind::literal:
        out += piece.literal;
        break;
      case Kind::topic:
        out += record.topic;
        break;
      case Kind::partition:
        append_number(out, record.partition.value());
        break;
      case Kind::offset:
        append_number(out, record.offset.value());
        break;
      case Kind::timestamp:
        append_number(out, record.timestamp.value());
        break;
      case Kind::key:
        out += record.key.value_or("");
        break;
      case Kind::value:
        out += record.value.value_or("");
        break;
      case Kind::headers:
        append_headers(out, record);
        break;
      case Kind::key_size:
        append_number(out, size_of(record.key));
        break;
      case Kind::value_size:
        append_number(out, size_of(record.value));
        break;
    }
  }
}

}  // namespace sluice::cli
