#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace sluice::storage {

/// Walks Kafka's small text files, which are lines of fields between single blanks. Views into the
/// text, which must outlive it.
class TextLines {
 public:
  explicit TextLines(std::string_view text) : rest_(text) {}

  /// The next line without its end; empty optional at the end of the text.
  std::optional<std::string_view> next();
  /// Number of the line that next() returned last, from 1.
  size_t line() const { return line_; }
  /// corrupt_file, naming the line.
  Error bad(std::string_view why) const;

  /// Reads the two lines every checkpoint begins with, version 0 and the number of entries.
  Result<size_t> checkpoint_header();

 private:
  std::string_view rest_;
  size_t line_ = 0;
};

/// Takes the field in front of the first blank off `line`.
std::string_view take_field(std::string_view& line);
/// Takes the field behind the last blank off `line`.
std::string_view take_last_field(std::string_view& line);

/// The whole of `text` as a number; empty when it is none or does not fit.
template <std::integral T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace sluice::storage
