#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/disk_image.h"

namespace sluice::sim {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr size_t kSector = 512;

/// Names and contents, '.' for zero bytes.
using Files = std::map<std::string, std::string>;

Files files_of(const DiskImage& disk) {
  Files files;
  for (const auto& entry : *disk.list("/")) {
    std::string text(entry.size, '?');
    disk.content(*disk.find(entry.name)).read(0, std::as_writable_bytes(std::span(text)));
    std::ranges::replace(text, '\0', '.');
    files.emplace(entry.name, text);
  }
  return files;
}

class DiskCrashTest : public testing::Test {
 protected:
  InodeId create(std::string_view path) { return *disk_.create(path, false); }
  InodeId create_durable(std::string_view path, std::string_view text) {
    const InodeId inode = create(path);
    write(inode, 0, text);
    sync(inode);
    sync_names();
    return inode;
  }
  void write(InodeId file, uint64_t at, std::string_view text) {
    disk_.write(file, at, as_bytes(text));
  }
  void sync(InodeId file) { disk_.sync_file(file, disk_.last_change()); }
  void sync_names() { disk_.sync_directory(*disk_.find("/"), disk_.last_change()); }
  Files crash(CrashMode mode) { return files_of(disk_.crash(mode, random_)); }
  std::set<Files> random_crashes(int count = 2000) {
    std::set<Files> seen;
    for (int i = 0; i < count; ++i) seen.insert(crash(CrashMode::random));
    return seen;
  }

  DiskImage disk_;
  SeededRandom random_{1};
};

TEST_F(DiskCrashTest, WhatIsSyncedStaysInEveryMode) {
  create_durable("f", "abc");
  for (const auto mode : {CrashMode::keep_all, CrashMode::lose_all, CrashMode::torn,
                          CrashMode::zero_tail, CrashMode::random}) {
    EXPECT_THAT(crash(mode), ElementsAre(Pair("f", "abc")));
  }
  EXPECT_FALSE(disk_.has_unsynced());
}

TEST_F(DiskCrashTest, AFileSyncedButNotItsDirectoryMayVanish) {
  const InodeId file = create("f");
  write(file, 0, "abc");
  sync(file);
  EXPECT_THAT(random_crashes(), UnorderedElementsAre(Files{}, Files{{"f", "abc"}}));
}

TEST_F(DiskCrashTest, ANameSyncedButNotItsDataMayBeEmptyOrZeros) {
  const InodeId file = create("f");
  sync_names();
  write(file, 0, "abc");
  EXPECT_THAT(random_crashes(),
              UnorderedElementsAre(Files{{"f", ""}}, Files{{"f", "..."}}, Files{{"f", "abc"}}));
  EXPECT_THAT(crash(CrashMode::zero_tail), ElementsAre(Pair("f", "...")));
}

TEST_F(DiskCrashTest, ARenameOverAFileLeavesTheOldOneOrTheNewOne) {
  create_durable("f", "old");
  const InodeId next = create("f.tmp");
  write(next, 0, "new");
  sync(next);
  ASSERT_TRUE(disk_.rename("f.tmp", "f").has_value());
  const Files old = {{"f", "old"}}, before = {{"f", "old"}, {"f.tmp", "new"}},
              done = {{"f", "new"}};
  EXPECT_THAT(random_crashes(), UnorderedElementsAre(old, before, done));
}

TEST_F(DiskCrashTest, ARenameBeforeTheSyncOfTheDataMayLeaveAnEmptyFile) {
  create_durable("f", "old");
  write(create("f.tmp"), 0, "new");
  ASSERT_TRUE(disk_.rename("f.tmp", "f").has_value());
  EXPECT_THAT(random_crashes(), Contains(Files{{"f", ""}}));
}

TEST_F(DiskCrashTest, NamesOfDifferentFilesAreKeptOrLostOneByOne) {
  create("a");
  create("b");
  EXPECT_THAT(random_crashes(), UnorderedElementsAre(Files{}, Files{{"a", ""}}, Files{{"b", ""}},
                                                     Files{{"a", ""}, {"b", ""}}));
}

TEST_F(DiskCrashTest, ChangesOfOneNameStayInOrder) {
  create_durable("f", "old");
  ASSERT_TRUE(disk_.rename("f", "g").has_value());
  create("f");
  EXPECT_THAT(random_crashes(), UnorderedElementsAre(Files{{"f", "old"}}, Files{{"g", "old"}},
                                                     Files{{"f", ""}, {"g", "old"}}));
}

TEST_F(DiskCrashTest, ARemovedFileMayComeBack) {
  create_durable("f", "abc");
  ASSERT_TRUE(disk_.remove("f").has_value());
  EXPECT_THAT(random_crashes(), UnorderedElementsAre(Files{}, Files{{"f", "abc"}}));
  sync_names();
  EXPECT_THAT(random_crashes(), ElementsAre(Files{}));
}

TEST_F(DiskCrashTest, UnsyncedWritesAreReordered) {
  const InodeId file = create_durable("f", "");
  write(file, 0, "aa");
  write(file, 2, "bb");
  EXPECT_THAT(random_crashes(),
              UnorderedElementsAre(Files{{"f", ""}}, Files{{"f", ".."}}, Files{{"f", "...."}},
                                   Files{{"f", "aa"}}, Files{{"f", "aa.."}}, Files{{"f", "..bb"}},
                                   Files{{"f", "aabb"}}));
}

TEST_F(DiskCrashTest, AWriteIsTornAtSectors) {
  const InodeId file = create_durable("f", std::string(2 * kSector, '-'));
  write(file, 0, std::string(2 * kSector, 'x'));
  const auto half = [](char first, char second) {
    return Files{{"f", std::string(kSector, first) + std::string(kSector, second)}};
  };
  EXPECT_THAT(random_crashes(),
              UnorderedElementsAre(half('-', '-'), half('x', '-'), half('-', 'x'), half('x', 'x')));
  EXPECT_EQ(crash(CrashMode::torn), half('x', '-'));
}

TEST_F(DiskCrashTest, ALostTruncateLosesTheWritesBeyondIt) {
  const InodeId file = create_durable("f", "abcdef");
  disk_.truncate(file, 2);
  write(file, 2, "X");
  EXPECT_THAT(random_crashes(), UnorderedElementsAre(Files{{"f", "abcdef"}}, Files{{"f", "ab"}},
                                                     Files{{"f", "ab."}}, Files{{"f", "abX"}}));
}

TEST_F(DiskCrashTest, WhatAFailedSyncDroppedIsReadButLostAtTheCrash) {
  const InodeId file = create_durable("f", "aa");
  write(file, 2, "bb");
  disk_.forget_unsynced(file, disk_.last_change());
  EXPECT_THAT(files_of(disk_), ElementsAre(Pair("f", "aabb")));
  write(file, 4, "cc");
  sync(file);
  EXPECT_THAT(crash(CrashMode::keep_all), ElementsAre(Pair("f", "aa..cc")));
}

TEST_F(DiskCrashTest, LosesWhatIsInADirectoryThatIsLost) {
  ASSERT_TRUE(disk_.create("d", true).has_value());
  const InodeId file = create("d/f");
  sync(file);
  disk_.sync_directory(*disk_.find("d"), disk_.last_change());
  EXPECT_TRUE(files_of(disk_.crash(CrashMode::lose_all, random_)).empty());
  sync_names();
  EXPECT_TRUE(disk_.crash(CrashMode::lose_all, random_).find("d/f").has_value());
}

TEST_F(DiskCrashTest, SyncingADirectoryBringsTheRenamesItsNamesRestOn) {
  ASSERT_TRUE(disk_.create("d", true).has_value());
  sync_names();
  create("f");
  ASSERT_TRUE(disk_.rename("f", "d/f").has_value());
  disk_.sync_directory(*disk_.find("d"), disk_.last_change());
  const auto after = disk_.crash(CrashMode::lose_all, random_);
  EXPECT_TRUE(after.find("d/f").has_value());
  EXPECT_FALSE(after.find("f").has_value());
}

TEST_F(DiskCrashTest, CopiesAreUnchangedByLaterWrites) {
  const InodeId file = create_durable("f", "abc");
  const DiskImage copy = disk_;
  write(file, 0, "X");
  create("g");
  EXPECT_THAT(files_of(copy), ElementsAre(Pair("f", "abc")));
  EXPECT_NE(copy.hash(), disk_.hash());
}

TEST_F(DiskCrashTest, EqualDisksHashEqualHoweverTheyCameAbout) {
  create_durable("f", "abc");
  DiskImage other;
  const InodeId unused = *other.create("x", false);
  other.write(unused, 0, as_bytes("zzzzz"));
  ASSERT_TRUE(other.rename("x", "f").has_value());
  other.truncate(unused, 0);
  other.write(unused, 0, as_bytes("abc"));
  EXPECT_EQ(disk_.hash(), other.hash());
  other.truncate(unused, 4);
  EXPECT_NE(disk_.hash(), other.hash());
}

}  // namespace
}  // namespace sluice::sim
