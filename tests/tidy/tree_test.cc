#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/tidy/layers.h"
#include "tests/tidy/rules.h"
#include "tests/tidy/source_tree.h"

namespace sluice::tidy {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> check_everything(const fs::path& root) {
  const auto tree = load_tree(root);
  std::vector<std::string> found;
  for (const auto check : {check_layers, check_seams, check_header_guards, check_sizes, check_names,
                           check_loose_ends, check_includes}) {
    std::ranges::copy(check(tree), std::back_inserter(found));
  }
  return found;
}

TEST(Tree, KeepsTheHouseRules) {
  for (const std::string& violation : check_everything(SLUICE_SOURCE_ROOT)) {
    ADD_FAILURE() << violation;
  }
}

TEST(Tree, IsLookedAtAsAWhole) {
  const auto tree = load_tree(SLUICE_SOURCE_ROOT);
  for (const auto* path : {"base/result.h", "io/task.h", "proto/record/batch.h", "storage/log.h",
                           "client/connection.h", "broker/main.cc", "tests/tidy/tree_test.cc"}) {
    EXPECT_NE(std::ranges::find(tree, path, &SourceFile::path), tree.end()) << path;
  }
}

/// A small tree that keeps all rules, to plant violations in.
class PlantedTree : public ::testing::Test {
 protected:
  PlantedTree() {
    plant("base/result.h", "#pragma once\n");
    plant("storage/log.cc", "#include \"base/result.h\"\n");
  }
  ~PlantedTree() override { fs::remove_all(root_); }

  void plant(const fs::path& path, std::string_view text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  const fs::path root_ = fs::temp_directory_path() / ("sluice-tidy-" + std::to_string(::getpid()));
};

TEST_F(PlantedTree, IsCleanToBeginWith) { EXPECT_TRUE(check_everything(root_).empty()); }

TEST_F(PlantedTree, EveryKindOfViolationIsFound) {
  plant("base/up.cc", "#include \"storage/log.h\"\n");
  plant("storage/clock.cc", "auto t = std::chrono::system_clock::now();\n");
  plant("storage/guard.h", "struct X;\n");
  plant("storage/long.cc", std::string(501, '\n'));
  plant("broker/server/session_helpers.h", "#pragma once\n");
  plant("io/short.cc", "#include \"short.h\"\n");
  const auto found = check_everything(root_);
  EXPECT_EQ(found.size(), 6u);
  for (const auto* path :
       {"base/up.cc:1:", "storage/clock.cc:1:", "storage/guard.h:1:", "storage/long.cc:501:",
        "broker/server/session_helpers.h:1:", "io/short.cc:1:"}) {
    EXPECT_TRUE(std::ranges::any_of(found, [&](const std::string& violation) {
      return violation.starts_with(path);
    })) << path;
  }
}

}  // namespace
}  // namespace sluice::tidy
