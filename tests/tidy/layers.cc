#include "tests/tidy/layers.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace sluice::tidy {
namespace {

struct Layer {
  std::string_view folder;
  /// Folders it may import from besides itself; files that lie in a folder with a row of its own
  /// count for that row only.
  std::vector<std::string_view> may_import;
};

const std::vector<Layer>& layers() {
  static const std::vector<Layer> table = {
      {"base", {}},
      {"io", {"base"}},
      {"proto/record", {"base"}},
      {"proto/native", {"base"}},
      {"proto/cluster", {"base"}},
      {"proto/kafka", {"base"}},
      {"storage", {"base", "io", "proto/record"}},
      {"client", {"base", "io", "proto/record", "proto/native"}},
      {"client/cli", {"base", "io", "proto/record", "client"}},
      {"broker/security", {"base", "io", "proto", "storage"}},
      {"broker/server", {"base", "io", "proto", "storage"}},
      {"broker/metadata", {"base", "io", "proto", "storage", "broker/security", "broker/server"}},
      {"broker/replication",
       {"base", "io", "proto", "storage", "broker/security", "broker/server", "broker/metadata"}},
      {"broker/service",
       {"base", "io", "proto", "storage", "broker/security", "broker/server", "broker/metadata",
        "broker/replication"}},
      {"broker/native",
       {"base", "io", "proto", "storage", "broker/security", "broker/server", "broker/metadata",
        "broker/replication", "broker/service"}},
      {"broker/admin",
       {"base", "io", "proto", "storage", "broker/security", "broker/server", "broker/metadata",
        "broker/replication", "broker/service", "broker/native"}},
      {"broker",
       {"base", "io", "proto", "storage", "broker/security", "broker/server", "broker/metadata",
        "broker/replication", "broker/service", "broker/native", "broker/admin"}},
      {"tests/sim", {"base", "io"}},
      {"tests/tidy", {}},
      {"tests", {"base", "io", "proto", "storage", "client", "broker"}},
      {"bench", {"base", "io", "proto", "storage", "client", "broker"}},
  };
  return table;
}

struct Exception {
  std::string_view file;
  std::string_view imports;
  std::string_view because;
};

constexpr Exception kExceptions[] = {
    {"client/cli/log_dump.cc", "storage",
     "`sluice log dump` reads a stopped broker's files, with the broker's own code"},
};

bool lies_in(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

/// The row of the deepest folder that holds the path.
const Layer* layer_of(std::string_view path) {
  const Layer* deepest = nullptr;
  for (const Layer& layer : layers()) {
    const bool deeper = deepest == nullptr || layer.folder.size() > deepest->folder.size();
    if (deeper && lies_in(path, layer.folder)) deepest = &layer;
  }
  return deepest;
}

/// Headers that the public include path shortens.
std::string full_path(const Include& include) {
  if (include.path.starts_with("sluice/")) return "client/include/" + include.path;
  return include.path;
}

bool is_allowed(const SourceFile& file, const Layer& from, std::string_view imported) {
  const Layer* to = layer_of(imported);
  if (to == nullptr || to == &from) return true;
  for (const std::string_view folder : from.may_import) {
    if (to->folder == folder || lies_in(to->folder, folder)) return true;
  }
  // Tests stand on the simulation and its helpers, wherever they lie.
  if (file.is_test() && lies_in(imported, "tests")) return true;
  if (lies_in(file.path, "tests") && lies_in(imported, "tests")) return from.folder == "tests";
  return std::ranges::any_of(kExceptions, [&](const Exception& exception) {
    return exception.file == file.path && exception.imports == to->folder;
  });
}

}  // namespace

std::vector<std::string> check_layers(const std::vector<SourceFile>& tree) {
  std::vector<std::string> found;
  for (const SourceFile& file : tree) {
    const Layer* from = layer_of(file.path);
    if (from == nullptr) {
      found.push_back(file.path + ": lies in no layer; give its folder a row in tests/tidy");
      continue;
    }
    for (const Include& include : file.includes) {
      if (!include.quoted || is_allowed(file, *from, full_path(include))) continue;
      found.push_back(file.path + ":" + std::to_string(include.line) + ": " +
                      std::string(from->folder) + " may not import " + include.path +
                      "; turn the dependency round or move the code down");
    }
  }
  return found;
}

}  // namespace sluice::tidy
