#include "storage/segment_name.h"

#include <algorithm>
#include <charconv>

namespace sluice::storage {
namespace {

constexpr size_t kDigits = 20;

}  // namespace

std::string segment_path(std::string_view folder, Offset offset, std::string_view suffix) {
  const std::string digits = std::to_string(offset.value());
  std::string path;
  path.reserve(folder.size() + 1 + kDigits + suffix.size());
  path.append(folder).append(1, '/');
  path.append(kDigits - std::min(kDigits, digits.size()), '0').append(digits).append(suffix);
  return path;
}

std::optional<SegmentName> parse_segment_name(std::string_view name) {
  if (name.size() <= kDigits || name[kDigits] != '.') return std::nullopt;
  int64_t offset = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kDigits, offset);
  if (error != std::errc() || end != name.data() + kDigits || offset < 0) return std::nullopt;
  return SegmentName{.offset = Offset(offset), .suffix = name.substr(kDigits)};
}

}  // namespace sluice::storage
