#include "io/system_files.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace sluice::io {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SystemFilesTest : public ::testing::Test {
 protected:
  ~SystemFilesTest() override { fs::remove_all(root_); }

  void plant(const std::string& path, std::string_view text) {
    fs::create_directories((root_.string() + path).substr(0, (root_.string() + path).rfind('/')));
    std::ofstream(root_.string() + path) << text;
  }

  const fs::path root_ = fs::temp_directory_path() / ("sluice-files-" + std::to_string(::getpid()));
  const SystemFiles files_{root_.string()};
};

TEST_F(SystemFilesTest, ReadsATextWithoutItsEndOfLine) {
  plant("/proc/sys/vm/swappiness", "60\n");
  EXPECT_EQ(files_.read("/proc/sys/vm/swappiness"), "60");
}

TEST_F(SystemFilesTest, WhatIsNotThereIsNothing) {
  plant("/sys/folder/file", "x");
  EXPECT_EQ(files_.read("/sys/missing"), std::nullopt);
  EXPECT_EQ(files_.read("/sys/folder"), std::nullopt);
  EXPECT_THAT(files_.list("/sys/missing"), IsEmpty());
  EXPECT_FALSE(files_.exists("/sys/missing"));
  EXPECT_TRUE(files_.exists("/sys/folder"));
}

TEST_F(SystemFilesTest, ListsNamesInOrder) {
  for (const char* name : {"c", "a", "b"}) plant(std::string("/sys/") + name, "");
  EXPECT_THAT(files_.list("/sys"), ElementsAre("a", "b", "c"));
}

TEST_F(SystemFilesTest, ResolvesLinksBelowTheRootAndKeepsAnEndThatIsNotThere) {
  plant("/mnt/disk/file", "");
  fs::create_directory_symlink("mnt/disk", root_ / "data");
  EXPECT_EQ(files_.resolve("/data/new/logs"), "/mnt/disk/new/logs");
  EXPECT_EQ(files_.resolve("/mnt/../mnt/disk"), "/mnt/disk");
  EXPECT_EQ(SystemFiles().resolve("/proc/../dev/null"), "/dev/null");
}

TEST_F(SystemFilesTest, ReadsTheRealMachine) {
  EXPECT_TRUE(SystemFiles().read("/proc/meminfo")->starts_with("MemTotal:"));
}

}  // namespace
}  // namespace sluice::io
