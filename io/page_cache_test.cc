#include "io/page_cache.h"

#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

namespace sluice::io {
namespace {

constexpr uint64_t kPages = 1024;
constexpr uint64_t kSize = kPages * 4096;

/// A file of zeros whose pages can be thrown out of the cache: not on a tmpfs.
class PageCacheTest : public testing::Test {
 protected:
  PageCacheTest() {
    std::string path = "page_cache_test_XXXXXX";
    descriptor_ = mkstemp(path.data());
    unlink(path.c_str());
    const std::vector<char> zeros(kSize);
    EXPECT_EQ(write(descriptor_, zeros.data(), kSize), static_cast<ssize_t>(kSize));
    EXPECT_EQ(fdatasync(descriptor_), 0);
  }
  ~PageCacheTest() override { ::close(descriptor_); }

  /// Without read-ahead of the kernel's own, so that only what we touch comes in.
  void drop() {
    posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
    posix_fadvise(descriptor_, 0, 0, POSIX_FADV_RANDOM);
  }
  void touch(uint64_t page) {
    char byte;
    EXPECT_EQ(pread(descriptor_, &byte, 1, static_cast<off_t>(page * 4096)), 1);
  }
  int64_t resident(uint64_t position, uint64_t length) {
    return page_cache::resident(descriptor_, position, length);
  }
  int descriptor_;
};

TEST_F(PageCacheTest, WhatWasJustWrittenIsResidentUpToTheEndOfTheFile) {
  EXPECT_EQ(resident(0, kSize), static_cast<int64_t>(kSize));
  EXPECT_EQ(resident(5'000, 10 * kSize), static_cast<int64_t>(kSize - 5'000));
  EXPECT_EQ(resident(kSize, 100), 0);
  EXPECT_EQ(resident(0, 0), 0);
}

TEST_F(PageCacheTest, TellsTheBytesBeforeTheFirstGap) {
  drop();
  if (resident(0, 4096) != 0) GTEST_SKIP() << "this file system keeps its pages";
  for (uint64_t page = 0; page < 100; ++page) touch(page);
  touch(101);
  EXPECT_EQ(resident(0, kSize), 100 * 4096);
  EXPECT_EQ(resident(4'000, kSize), 100 * 4096 - 4'000);
  EXPECT_EQ(resident(99 * 4096 + 5, kSize), 4091);
  EXPECT_EQ(resident(100 * 4096, kSize), 0);
  EXPECT_EQ(resident(101 * 4096, 4096), 4096);
}

TEST_F(PageCacheTest, ReadAheadBringsInTheRange) {
  drop();
  EXPECT_EQ(page_cache::read_ahead(descriptor_, 10'000, 2'000'000), 0);
  EXPECT_EQ(resident(10'000, 2'000'000), 2'000'000);
  EXPECT_EQ(page_cache::read_ahead(descriptor_, kSize - 10, 100), 0) << "the end is no error";
}

TEST_F(PageCacheTest, AFailureIsTheErrno) {
  EXPECT_EQ(page_cache::resident(-1, 0, 1), -EBADF);
  EXPECT_EQ(page_cache::read_ahead(-1, 0, 1), -EBADF);
}

TEST_F(PageCacheTest, ReadingThroughLeavesNothingBehindAndDropsNothingOfOthers) {
  drop();
  if (resident(0, 4096) != 0) GTEST_SKIP() << "this file system keeps its pages";
  for (uint64_t page = 0; page < 64; ++page) touch(page);
  std::vector<std::byte> out(kSize / 4, std::byte{1});
  ASSERT_EQ(page_cache::read_through(descriptor_, 512 * 4096, out),
            static_cast<int64_t>(out.size()));
  EXPECT_EQ(out, std::vector<std::byte>(out.size()));
  EXPECT_LT(resident(512 * 4096, out.size()), static_cast<int64_t>(out.size() / 8));
  out.resize(64 * 4096);
  ASSERT_EQ(page_cache::read_through(descriptor_, 0, out), static_cast<int64_t>(out.size()));
  EXPECT_EQ(resident(0, out.size()), static_cast<int64_t>(out.size()));
  EXPECT_EQ(page_cache::read_through(descriptor_, kSize, out), 0);
}

}  // namespace
}  // namespace sluice::io
