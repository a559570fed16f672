#include "client/cli/doctor/kernel_text.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <sstream>
#include <utility>

namespace sluice::cli::doctor {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

uint64_t bound_of(const std::string& word) {
  return number_of(word).value_or(ResourceLimit::kUnlimited);
}

/// Blanks and backslashes stand as three octal digits: "/mnt/my\040disk".
std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    unsigned letter = 0;
    const bool is_escape =
        text[at] == '\\' && at + 3 < text.size() &&
        std::from_chars(text.data() + at + 1, text.data() + at + 4, letter, 8).ptr ==
            text.data() + at + 4;
    out += is_escape ? static_cast<char>(letter) : text[at];
    if (is_escape) at += 3;
  }
  return out;
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::istringstream stream{std::string(text)};
  return {std::istream_iterator<std::string>(stream), {}};
}

std::vector<std::string> lines_of(std::string_view text) { return split(text, '\n'); }

std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<KernelChoice> choice_of(std::string_view text) {
  KernelChoice choice;
  for (std::string& word : words_of(text)) {
    if (word.starts_with('[') && word.ends_with(']')) {
      word = word.substr(1, word.size() - 2);
      choice.in_force = word;
    }
    choice.offered.push_back(std::move(word));
  }
  // A device with one scheduler writes it without brackets.
  if (choice.offered.size() == 1) choice.in_force = choice.offered.front();
  if (choice.in_force.empty()) return std::nullopt;
  return choice;
}

std::optional<size_t> count_of_ranges(std::string_view text) {
  size_t count = 0;
  for (const std::string& range : split(text, ',')) {
    const auto ends = split(range, '-');
    const auto first = ends.empty() ? std::nullopt : number_of(ends.front());
    const auto last = ends.empty() ? std::nullopt : number_of(ends.back());
    if (!first || !last || *last < *first || ends.size() > 2) return std::nullopt;
    count += *last - *first + 1;
  }
  return count == 0 ? std::nullopt : std::optional(count);
}

std::optional<uint64_t> kilobytes_of(std::string_view text, std::string_view name) {
  for (const std::string& line : lines_of(text)) {
    if (!line.starts_with(name)) continue;
    const auto words = words_of(line);
    const auto value = words.size() < 2 ? std::nullopt : number_of(words[1]);
    if (!value || *value > UINT64_MAX / 1024) return std::nullopt;
    return *value * 1024;
  }
  return std::nullopt;
}

std::optional<ResourceLimit> limit_of(std::string_view text, std::string_view name) {
  for (const std::string& line : lines_of(text)) {
    if (!line.starts_with(name)) continue;
    const auto words = words_of(line.substr(name.size()));
    if (words.size() < 2) return std::nullopt;
    return ResourceLimit{.soft = bound_of(words[0]), .hard = bound_of(words[1])};
  }
  return std::nullopt;
}

std::vector<Mount> mounts_of(std::string_view mountinfo) {
  // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
  std::vector<Mount> mounts;
  for (const std::string& line : lines_of(mountinfo)) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const auto front = words_of(std::string_view(line).substr(0, dash));
    const auto back = words_of(std::string_view(line).substr(dash + 3));
    if (front.size() < 6 || back.size() < 2) continue;
    Mount mount{.device = front[2],
                .root = unescaped(front[3]),
                .mount_point = unescaped(front[4]),
                .type = back[0],
                .source = unescaped(back[1]),
                .options = split(front[5], ',')};
    if (back.size() > 2) {
      for (std::string& option : split(back[2], ',')) mount.options.push_back(std::move(option));
    }
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

bool lies_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.starts_with('/');
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace sluice::cli::doctor
