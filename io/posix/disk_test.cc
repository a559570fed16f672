#include "io/posix/disk.h"

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/system.h"

namespace sluice::io {
namespace {

using testing::HasSubstr;

class PosixDiskTest : public testing::Test {
 protected:
  ~PosixDiskTest() override { std::filesystem::remove_all(directory_); }
  void check(Task<void> (*body)(Disk& disk, std::string directory)) {
    system_.run(body(system_.runtime().disk, directory_));
  }

 private:
  static std::string make_directory() {
    std::string path = std::filesystem::temp_directory_path() / "sluice_posix_XXXXXX";
    return mkdtemp(path.data());
  }
  const std::string directory_ = make_directory();
  System system_{{.workers = 1, .pool_threads = 1}};
};

TEST_F(PosixDiskTest, NamesTheProcessThatHoldsALock) {
  check([](Disk& disk, std::string directory) -> Task<void> {
    const auto held = co_await disk.lock(directory + "/.lock");
    EXPECT_TRUE(held.has_value());
    const auto refused = co_await disk.lock(directory + "/.lock");
    EXPECT_THAT(std::string(refused.error().message()),
                HasSubstr("locked by process " + std::to_string(getpid()) + ";"));
  });
}

/// Files of this process can grow to so many bytes while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(PosixDiskTest, AWriteCutShortGoesOnAndTellsWhatStoppedIt) {
  check([](Disk& disk, std::string directory) -> Task<void> {
    const FileSizeLimit limit(100'000);
    const std::vector<std::byte> content(150'000, std::byte{7});
    const std::array<ByteView, 2> parts = {ByteView(content).first(60'000),
                                           ByteView(content).subspan(60'000)};
    for (const auto lane : {Lane::hot, Lane::background}) {
      const std::string path = directory + "/" + std::to_string(static_cast<int>(lane));
      auto file = co_await disk.open(path, OpenMode::create);
      const auto result = co_await (*file)->write_at(0, parts, lane);
      EXPECT_EQ(result.error().code(), Errc::disk_full);
      EXPECT_THAT(std::string(result.error().message()), HasSubstr(path));
      EXPECT_EQ((*file)->size().value_or(0), 100'000u);
    }
  });
}

TEST_F(PosixDiskTest, TellsWhatTheSystemDenies) {
  check([](Disk& disk, std::string) -> Task<void> {
    const auto opened = co_await disk.open("/proc/version", OpenMode::create_new);
    EXPECT_EQ(opened.error().code(), Errc::file_exists);
    const auto made = co_await disk.create_directories("/proc/sluice/data");
    EXPECT_THAT(std::string(made.error().message()), HasSubstr("/proc/sluice/data"));
    EXPECT_FALSE(disk.space("/nonexistent").has_value());
  });
}

TEST_F(PosixDiskTest, ListsWhatLinksToNowhereNot) {
  check([](Disk& disk, std::string directory) -> Task<void> {
    EXPECT_EQ(symlink("/nonexistent", (directory + "/dangling").c_str()), 0);
    const auto entries = co_await disk.list(directory);
    EXPECT_TRUE(entries.has_value());
    EXPECT_TRUE(entries->empty());
  });
}

}  // namespace
}  // namespace sluice::io
