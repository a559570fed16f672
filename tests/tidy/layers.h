#pragma once

#include <string>
#include <vector>

#include "tests/tidy/source_tree.h"

namespace sluice::tidy {

/// Includes that point up or sideways, by the table in layers.cc; each as "path:line: what to do".
std::vector<std::string> check_layers(const std::vector<SourceFile>& tree);

}  // namespace sluice::tidy
