#include "tests/tidy/source_tree.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

namespace sluice::tidy {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFolders[] = {"base",   "io",     "proto", "storage",
                                         "client", "broker", "tests", "bench"};

/// Replaces what is no code by blanks; newlines stay.
class Blanker {
 public:
  explicit Blanker(std::string_view text) : text_(text), out_(text) {}

  std::string run() {
    while (at_ < text_.size()) step();
    return std::move(out_);
  }

 private:
  bool here(std::string_view wanted) const { return text_.substr(at_).starts_with(wanted); }

  void step() {
    if (here("//")) {
      blank_until("\n", 0);
    } else if (here("/*")) {
      blank_until("*/", 2);
    } else if (here("R\"") && !follows_a_word()) {
      const size_t open = text_.find('(', at_);
      if (open == std::string_view::npos) return advance();
      blank_until(")" + std::string(text_.substr(at_ + 2, open - at_ - 2)) + "\"", 0);
    } else if (here("\"")) {
      blank_literal('"');
    } else if (here("'") && !follows_a_word()) {
      blank_literal('\'');
    } else {
      advance();
    }
  }

  /// Inside a number ("1'000") or behind a prefix that makes no raw text.
  bool follows_a_word() const {
    if (at_ == 0) return false;
    const char before = text_[at_ - 1];
    return std::isalnum(static_cast<unsigned char>(before)) != 0 || before == '_';
  }

  void advance() { ++at_; }

  void blank_until(std::string_view end, size_t keep) {
    const size_t found = text_.find(end, at_);
    const size_t stop = found == std::string_view::npos ? text_.size() : found + keep;
    const size_t next = found == std::string_view::npos ? stop : found + end.size();
    blank(at_, std::max(stop, at_));
    if (end != "\n") blank(at_, next);
    at_ = end == "\n" ? stop : next;
  }

  void blank_literal(char quote) {
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote && text_[end] != '\n') {
      end += text_[end] == '\\' ? 2 : 1;
    }
    blank(at_ + 1, std::min(end, text_.size()));
    at_ = end + 1;
  }

  void blank(size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      if (out_[i] != '\n') out_[i] = ' ';
    }
  }

  const std::string_view text_;
  std::string out_;
  size_t at_ = 0;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(std::move(line));
  return lines;
}

std::optional<Include> include_of(std::string_view line, size_t number) {
  constexpr std::string_view kInclude = "#include ";
  if (!line.starts_with(kInclude) || line.size() < kInclude.size() + 2) return std::nullopt;
  line.remove_prefix(kInclude.size());
  const bool quoted = line.front() == '"';
  const size_t end = line.find(quoted ? '"' : '>', 1);
  if (end == std::string_view::npos) return std::nullopt;
  return Include{number, std::string(line.substr(1, end - 1)), quoted};
}

}  // namespace

bool SourceFile::is_in(std::string_view folder) const {
  return path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/';
}

SourceFile parse_source(std::string path, std::string_view text) {
  SourceFile file;
  file.path = std::move(path);
  file.text = lines_of(std::string(text));
  file.code = lines_of(Blanker(text).run());
  for (size_t i = 0; i < file.text.size(); ++i) {
    // A comment may hold an example.
    if (!file.code[i].starts_with("#include")) continue;
    if (auto include = include_of(file.text[i], i + 1)) file.includes.push_back(*include);
  }
  return file;
}

std::vector<SourceFile> load_tree(const fs::path& root) {
  std::vector<SourceFile> files;
  for (const std::string_view folder : kFolders) {
    if (!fs::is_directory(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path extension = entry.path().extension();
      if (!entry.is_regular_file() || (extension != ".h" && extension != ".cc")) continue;
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::string text(std::istreambuf_iterator<char>(stream), {});
      files.push_back(parse_source(fs::relative(entry.path(), root).generic_string(), text));
    }
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

}  // namespace sluice::tidy
