#pragma once

#include <string>
#include <vector>

#include "tests/tidy/source_tree.h"

namespace sluice::tidy {

// House rules that a compiler does not check. Each returns its violations as "path:line: what to
// do instead".

/// Clocks, randomness, files, sockets and threads outside of io/.
std::vector<std::string> check_seams(const std::vector<SourceFile>& tree);
/// `#pragma once` is the first line of code of every header.
std::vector<std::string> check_header_guards(const std::vector<SourceFile>& tree);
/// At most 500 lines, tests 400.
std::vector<std::string> check_sizes(const std::vector<SourceFile>& tree);
/// No utils, managers, common things and helpers; names in snake_case.
std::vector<std::string> check_names(const std::vector<SourceFile>& tree);
/// No work left for later in the text, no tests that are switched off.
std::vector<std::string> check_loose_ends(const std::vector<SourceFile>& tree);
/// Our headers are named from the root and in quotes.
std::vector<std::string> check_includes(const std::vector<SourceFile>& tree);

}  // namespace sluice::tidy
