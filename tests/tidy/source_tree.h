#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::tidy {

struct Include {
  size_t line = 0;
  /// As it stands between the quotes or brackets.
  std::string path;
  bool quoted = false;
};

/// A C++ file of ours. Lines keep their numbers: `code` has the text of comments and of literals
/// blanked out.
struct SourceFile {
  /// From the root: "broker/server/session.cc".
  std::string path;
  std::vector<std::string> text;
  std::vector<std::string> code;
  std::vector<Include> includes;

  bool is_header() const { return path.ends_with(".h"); }
  /// Tests, and what only tests beside it use.
  bool is_test() const {
    return path.ends_with("_test.cc") || path.ends_with("_fixture.h") ||
           path.ends_with("_fixture.cc");
  }
  /// Whether it lies in that folder or below.
  bool is_in(std::string_view folder) const;
};

/// All *.h and *.cc below the root's folders of source, sorted by path. Build directories and
/// hidden folders are left out.
std::vector<SourceFile> load_tree(const std::filesystem::path& root);

SourceFile parse_source(std::string path, std::string_view text);

}  // namespace sluice::tidy
