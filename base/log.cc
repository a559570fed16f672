#include "base/log.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>

#include <unistd.h>

#include "base/size_text.h"

namespace sluice {
namespace {

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

void append_control(std::string& out, unsigned char c) {
  std::array<char, 8> text;
  std::snprintf(text.data(), text.size(), "\\u%04x", c);
  out += text.data();
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      if (is_control(c)) return append_control(out, static_cast<unsigned char>(c));
      out += c;
  }
}

/// Bytes of the UTF-8 sequence at the front; 0 when it is none (RFC 3629, table 3-7 of Unicode).
size_t utf8_length(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  const bool over_long = (first == 0xe0 && at(1) < 0xa0) || (first == 0xf0 && at(1) < 0x90);
  const bool surrogate = first == 0xed && at(1) > 0x9f;
  const bool beyond = first == 0xf4 && at(1) > 0x8f;
  return over_long || surrogate || beyond ? 0 : length;
}

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else if (length == 1) {
      append_escaped(out, text.front());
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

void append_logfmt_value(std::string& out, std::string_view text) {
  bool plain = !text.empty();
  for (char c : text) plain &= c != ' ' && c != '"' && c != '=' && c != '\\' && !is_control(c);
  if (plain) {
    out += text;
    return;
  }
  out += '"';
  for (char c : text) append_escaped(out, c);
  out += '"';
}

/// One way in for both formats: the key, and the value as `bare` asks.
void append_field(std::string& out, StreamSink::Format format, std::string_view key,
                  std::string_view value, bool bare) {
  const bool json = format == StreamSink::Format::json;
  if (!out.empty()) out += json ? ',' : ' ';
  if (json) {
    if (out.empty()) out += '{';
    append_json_text(out, key);
    out += ':';
  } else {
    out.append(key).append("=");
  }
  if (bare) {
    out += value;
  } else if (json) {
    append_json_text(out, value);
  } else {
    append_logfmt_value(out, value);
  }
}

void write_line(int descriptor, std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(descriptor, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    line.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

std::string LogField::render(double number) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

std::string LogField::render(Duration duration) { return format_rough_duration(duration); }

bool LogField::is_bare(double number) { return std::isfinite(number); }

void StreamSink::write(LogLevel level, std::string_view event,
                       std::initializer_list<LogField> fields) {
  std::string line;
  line.reserve(256);
  append_field(line, format_, "time", format_timestamp(clock_.wall_now()), false);
  append_field(line, format_, "level", name_of(level), false);
  append_field(line, format_, "event", event, false);
  for (const LogField& field : fields) {
    append_field(line, format_, field.key, field.value, field.bare);
  }
  if (format_ == Format::json) line += '}';
  line += '\n';
  write_line(descriptor_, line);
}

}  // namespace sluice
