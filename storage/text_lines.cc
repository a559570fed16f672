#include "storage/text_lines.h"

#include <string>

namespace sluice::storage {

std::optional<std::string_view> TextLines::next() {
  if (rest_.empty()) return std::nullopt;
  ++line_;
  const size_t end = rest_.find('\n');
  const std::string_view line = rest_.substr(0, end);
  rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
  return line;
}

Error TextLines::bad(std::string_view why) const {
  return {Errc::corrupt_file, "line " + std::to_string(line_) + ": " + std::string(why)};
}

Result<size_t> TextLines::checkpoint_header() {
  const auto version = next();
  if (!version || parse_number<int>(*version) != 0)
    return fail(bad("the version of a checkpoint is 0, this is another or none"));
  const auto count_line = next();
  const auto count = count_line ? parse_number<uint32_t>(*count_line) : std::nullopt;
  if (!count) return fail(bad("here the number of entries should stand"));
  return *count;
}

std::string_view take_field(std::string_view& line) {
  const size_t blank = line.find(' ');
  const std::string_view field = line.substr(0, blank);
  line = blank == std::string_view::npos ? std::string_view{} : line.substr(blank + 1);
  return field;
}

std::string_view take_last_field(std::string_view& line) {
  const size_t blank = line.rfind(' ');
  const std::string_view field = blank == std::string_view::npos ? line : line.substr(blank + 1);
  line = blank == std::string_view::npos ? std::string_view{} : line.substr(0, blank);
  return field;
}

}  // namespace sluice::storage
