#pragma once

// What every Disk promises. Included by one source file of a test program, which then makes
// INSTANTIATE_TEST_SUITE_P(Name, DiskContract, testing::Values(WorldMaker{...}), name_of_world).

#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/random.h"
#include "io/disk.h"
#include "io/sync.h"
#include "tests/support/world.h"

namespace sluice::io {

class DiskContract : public WorldTest {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DiskContract);

namespace disk_contract {

using testing::HasSubstr;

inline constexpr std::array kAllLanes = {Lane::commit, Lane::hot, Lane::cold, Lane::background};

inline std::vector<std::byte> pattern(size_t size, uint64_t seed = 1) {
  SeededRandom random(seed);
  std::vector<std::byte> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random.next());
  return bytes;
}

inline Task<Result<>> write(File& file, uint64_t position, ByteView bytes, Lane lane = Lane::hot) {
  const std::array parts = {bytes};
  co_return co_await file.write_at(position, parts, lane);
}

inline Task<Result<std::vector<std::byte>>> read(File& file, uint64_t position, size_t size,
                                                 Lane lane = Lane::hot) {
  std::vector<std::byte> out(size);
  CO_ASSIGN_OR_RETURN(const size_t count, co_await file.read_at(position, out, lane));
  out.resize(count);
  co_return out;
}

inline Task<Result<std::unique_ptr<File>>> make_file(Disk& disk, std::string path,
                                                     std::vector<std::byte> content) {
  CO_ASSIGN_OR_RETURN(auto file, co_await disk.open(path, OpenMode::create_new));
  CO_RETURN_IF_ERROR(co_await write(*file, 0, content));
  co_return file;
}

/// That the result is this error and that its message names the path.
template <class T>
void expect_error(const Result<T>& result, Errc code, const std::string& path) {
  ASSERT_FALSE(result.has_value()) << "no error for " << path;
  EXPECT_EQ(name_of(result.error().code()), name_of(code)) << result.error().message();
  EXPECT_THAT(std::string(result.error().message()), HasSubstr(path));
}

TEST_P(DiskContract, OpensMissingFilesOnlyToCreateThem) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const std::string path = directory + "/a";
    expect_error(co_await runtime.disk.open(path, OpenMode::read), Errc::file_not_found, path);
    expect_error(co_await runtime.disk.open(path, OpenMode::write), Errc::file_not_found, path);
    CO_ASSERT_OK(co_await runtime.disk.open(path, OpenMode::create));
    CO_ASSERT_OK(co_await runtime.disk.open(path, OpenMode::create));
    CO_ASSERT_OK(co_await runtime.disk.open(path, OpenMode::read));
    expect_error(co_await runtime.disk.open(path, OpenMode::create_new), Errc::file_exists, path);
    const std::string lost = directory + "/missing/b";
    expect_error(co_await runtime.disk.open(lost, OpenMode::create), Errc::file_not_found, lost);
  });
}

TEST_P(DiskContract, OpeningKeepsTheContent) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto content = pattern(5000);
    CO_ASSERT_OK(co_await make_file(runtime.disk, directory + "/a", content));
    for (const auto mode : {OpenMode::read, OpenMode::write, OpenMode::create}) {
      auto file = co_await runtime.disk.open(directory + "/a", mode);
      CO_ASSERT_OK(file);
      EXPECT_EQ((*file)->path(), directory + "/a");
      EXPECT_EQ((*file)->size().value_or(0), 5000u);
      EXPECT_EQ(co_await read(**file, 0, 5000), content);
    }
  });
}

TEST_P(DiskContract, ReadsLessOnlyAtTheEndInEveryLane) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto content = pattern(10'000);
    auto file = co_await make_file(runtime.disk, directory + "/a", content);
    CO_ASSERT_OK(file);
    for (const auto lane : kAllLanes) {
      EXPECT_EQ(co_await read(**file, 0, 10'000, lane), content);
      const auto tail = co_await read(**file, 9'000, 5'000, lane);
      EXPECT_EQ(tail, std::vector(content.begin() + 9'000, content.end()));
      EXPECT_EQ(co_await read(**file, 10'000, 100, lane), std::vector<std::byte>{});
      EXPECT_EQ(co_await read(**file, 1 << 30, 100, lane), std::vector<std::byte>{});
      EXPECT_EQ(co_await read(**file, 0, 0, lane), std::vector<std::byte>{});
    }
  });
}

TEST_P(DiskContract, ReadsFromTheDeviceWhatTheCacheForgot) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto content = pattern(300'000);
    auto file = co_await make_file(runtime.disk, directory + "/a", content);
    CO_ASSERT_OK(file);
    CO_ASSERT_OK(co_await (*file)->sync(Lane::commit));
    for (const auto lane : kAllLanes) {
      (*file)->drop_cache(0, content.size());
      EXPECT_EQ(co_await read(**file, 0, content.size() + 1, lane), content);
    }
  });
}

TEST_P(DiskContract, WritesAnyNumberOfPartsInEveryLane) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto content = pattern(3000 * 7);
    std::vector<ByteView> parts;  // more than IOV_MAX of them, empty ones in between
    for (size_t i = 0; i < 3000; ++i) {
      parts.push_back(ByteView(content).subspan(i * 7, 7));
      if (i % 5 == 0) parts.emplace_back();
    }
    for (const auto lane : kAllLanes) {
      const auto path = directory + "/" + std::to_string(static_cast<int>(lane));
      auto file = co_await runtime.disk.open(path, OpenMode::create);
      CO_ASSERT_OK(file);
      CO_ASSERT_OK(co_await (*file)->write_at(100, parts, lane));
      EXPECT_EQ((*file)->size().value_or(0), 100 + content.size());
      EXPECT_EQ(co_await read(**file, 100, content.size()), content);
      CO_ASSERT_OK(co_await (*file)->write_at(0, {}, lane));
    }
  });
}

TEST_P(DiskContract, FillsAGapWithZeros) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    auto file = co_await make_file(runtime.disk, directory + "/a", pattern(10));
    CO_ASSERT_OK(file);
    CO_ASSERT_OK(co_await write(**file, 9'000, pattern(10, 2)));
    EXPECT_EQ(co_await read(**file, 10, 8'990), std::vector<std::byte>(8'990));
    EXPECT_EQ(co_await read(**file, 9'000, 10), pattern(10, 2));
  });
}

TEST_P(DiskContract, TruncatesToLessAndToMore) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto content = pattern(9'000);
    auto file = co_await make_file(runtime.disk, directory + "/a", content);
    CO_ASSERT_OK(file);
    CO_ASSERT_OK(co_await (*file)->truncate(5'000));
    EXPECT_EQ((*file)->size().value_or(0), 5'000u);
    CO_ASSERT_OK(co_await (*file)->truncate(7'000));
    auto expected = content;
    expected.resize(5'000);
    expected.resize(7'000);
    EXPECT_EQ(co_await read(**file, 0, 9'000), expected);
  });
}

TEST_P(DiskContract, AllocatesWithoutChangingTheSize) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    auto file = co_await make_file(runtime.disk, directory + "/a", pattern(100));
    CO_ASSERT_OK(file);
    CO_ASSERT_OK(co_await (*file)->allocate(0, 4 << 20));
    EXPECT_EQ((*file)->size().value_or(0), 100u);
    EXPECT_EQ(co_await read(**file, 0, 200), pattern(100));
    CO_ASSERT_OK(co_await write(**file, 100, pattern(100, 2)));
    EXPECT_EQ((*file)->size().value_or(0), 200u);
  });
}

TEST_P(DiskContract, AMapSeesLaterWrites) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    auto file = co_await make_file(runtime.disk, directory + "/a", pattern(100));
    CO_ASSERT_OK(file);
    auto map = (*file)->map(1 << 20);
    CO_ASSERT_OK(map);
    EXPECT_EQ((*map)->mapped_length(), size_t{1} << 20);
    CO_ASSERT_OK(co_await write(**file, 50, pattern(20'000, 2)));
    const auto bytes = (*map)->bytes(50, 20'000);
    EXPECT_EQ(std::vector(bytes.begin(), bytes.end()), pattern(20'000, 2));
  });
}

TEST_P(DiskContract, FilesAndMapsOutliveTheirName) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    auto file = co_await make_file(runtime.disk, directory + "/a", pattern(5'000));
    CO_ASSERT_OK(file);
    auto map = (*file)->map(5'000);
    CO_ASSERT_OK(map);
    CO_ASSERT_OK(co_await runtime.disk.remove(directory + "/a"));
    EXPECT_EQ(co_await read(**file, 0, 5'000), pattern(5'000));
    file->reset();
    const auto bytes = (*map)->bytes(0, 5'000);
    EXPECT_EQ(std::vector(bytes.begin(), bytes.end()), pattern(5'000));
    EXPECT_EQ(co_await runtime.disk.exists(directory + "/a"), false);
  });
}

TEST_P(DiskContract, RenamingReplacesTheTarget) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto from = directory + "/a", to = directory + "/b";
    CO_ASSERT_OK(co_await make_file(runtime.disk, from, pattern(100, 1)));
    CO_ASSERT_OK(co_await make_file(runtime.disk, to, pattern(100, 2)));
    CO_ASSERT_OK(co_await runtime.disk.rename(from, to));
    EXPECT_EQ(co_await runtime.disk.exists(from), false);
    EXPECT_EQ(co_await read_file(runtime.disk, to, 1000), pattern(100, 1));
    expect_error(co_await runtime.disk.rename(from, to), Errc::file_not_found, from);
  });
}

TEST_P(DiskContract, RenamesDirectoriesWithTheirContent) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    CO_ASSERT_OK(co_await runtime.disk.create_directories(directory + "/a/b"));
    CO_ASSERT_OK(co_await make_file(runtime.disk, directory + "/a/b/c", pattern(100)));
    CO_ASSERT_OK(co_await runtime.disk.rename(directory + "/a", directory + "/z"));
    EXPECT_EQ(co_await read_file(runtime.disk, directory + "/z/b/c", 1000), pattern(100));
    EXPECT_EQ(co_await runtime.disk.exists(directory + "/a/b/c"), false);
  });
}

TEST_P(DiskContract, RemovesWhatIsThereOnly) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto path = directory + "/a";
    CO_ASSERT_OK(co_await make_file(runtime.disk, path, pattern(100)));
    CO_ASSERT_OK(co_await runtime.disk.remove(path));
    expect_error(co_await runtime.disk.remove(path), Errc::file_not_found, path);
    expect_error(co_await runtime.disk.open(path, OpenMode::read), Errc::file_not_found, path);
  });
}

TEST_P(DiskContract, ListsByNameWithSizesAndKinds) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    CO_ASSERT_OK(co_await make_file(runtime.disk, directory + "/c", pattern(300)));
    CO_ASSERT_OK(co_await make_file(runtime.disk, directory + "/a", pattern(100)));
    CO_ASSERT_OK(co_await runtime.disk.create_directories(directory + "/b/inner"));
    auto entries = co_await runtime.disk.list(directory);
    CO_ASSERT_OK(entries);
    CO_ASSERT_TRUE(entries->size() == 3);
    EXPECT_EQ((*entries)[0].name, "a");
    EXPECT_EQ((*entries)[0].size, 100u);
    EXPECT_FALSE((*entries)[0].is_directory);
    EXPECT_EQ((*entries)[1].name, "b");
    EXPECT_TRUE((*entries)[1].is_directory);
    EXPECT_EQ((*entries)[2].size, 300u);
    const auto missing = directory + "/missing";
    expect_error(co_await runtime.disk.list(missing), Errc::file_not_found, missing);
  });
}

TEST_P(DiskContract, CreatesDirectoriesWithParentsAndAgain) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto path = directory + "/a/b/c";
    CO_ASSERT_OK(co_await runtime.disk.create_directories(path));
    CO_ASSERT_OK(co_await runtime.disk.create_directories(path));
    EXPECT_EQ(co_await runtime.disk.exists(path), true);
    CO_ASSERT_OK(co_await make_file(runtime.disk, path + "/file", pattern(1)));
    const auto below_file = path + "/file/d";
    const auto result = co_await runtime.disk.create_directories(below_file);
    EXPECT_FALSE(result.has_value());
  });
}

TEST_P(DiskContract, RemovesFullDirectoriesOnlyWhenAsked) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto path = directory + "/a";
    CO_ASSERT_OK(co_await runtime.disk.create_directories(path + "/b"));
    CO_ASSERT_OK(co_await make_file(runtime.disk, path + "/b/c", pattern(100)));
    const auto refused = co_await runtime.disk.remove_directory(path, false);
    CO_ASSERT_TRUE(!refused);
    EXPECT_THAT(std::string(refused.error().message()), HasSubstr(path));
    CO_ASSERT_OK(co_await runtime.disk.remove_directory(path, true));
    EXPECT_EQ(co_await runtime.disk.exists(path), false);
    expect_error(co_await runtime.disk.remove_directory(path, true), Errc::file_not_found, path);
    CO_ASSERT_OK(co_await runtime.disk.create_directories(path));
    CO_ASSERT_OK(co_await runtime.disk.remove_directory(path, false));
  });
}

TEST_P(DiskContract, LocksOnceAndAgainAfterRelease) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto path = directory + "/.lock";
    auto held = co_await runtime.disk.lock(path);
    CO_ASSERT_OK(held);
    expect_error(co_await runtime.disk.lock(path), Errc::locked, path);
    held->reset();
    CO_ASSERT_OK(co_await runtime.disk.lock(path));
    EXPECT_EQ(co_await runtime.disk.exists(path), true);
  });
}

TEST_P(DiskContract, SyncsFilesAndDirectories) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    auto file = co_await make_file(runtime.disk, directory + "/a", pattern(100'000));
    CO_ASSERT_OK(file);
    CO_ASSERT_OK(co_await (*file)->start_write_back(0, 100'000));
    for (const auto lane : kAllLanes) CO_ASSERT_OK(co_await (*file)->sync(lane));
    CO_ASSERT_OK(co_await runtime.disk.sync_directory(directory));
    const auto missing = directory + "/missing";
    const auto result = co_await runtime.disk.sync_directory(missing);
    expect_error(result, Errc::file_not_found, missing);
  });
}

TEST_P(DiskContract, ReadAheadMakesARangeResident) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    constexpr size_t kSize = (1 << 20) + 777;
    auto file = co_await make_file(runtime.disk, directory + "/a", pattern(kSize));
    CO_ASSERT_OK(file);
    CO_ASSERT_OK(co_await (*file)->sync(Lane::commit));
    (*file)->drop_cache(0, kSize);
    CO_ASSERT_OK(co_await (*file)->read_ahead(100, kSize));
    const auto resident = (*file)->resident(100, 2 * kSize);
    CO_ASSERT_OK(resident);
    EXPECT_EQ(*resident, kSize - 100);
    EXPECT_EQ((*file)->resident(kSize, 100).value_or(1), 0u);
    EXPECT_EQ((*file)->resident(5'000, 1'000).value_or(0), 1'000u);
  });
}

TEST_P(DiskContract, ServesOverlappingOperations) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    auto file = co_await runtime.disk.open(directory + "/a", OpenMode::create);
    CO_ASSERT_OK(file);
    Scope scope;
    for (size_t i = 0; i < 64; ++i) {
      scope.start([](File& shared, size_t n) -> Task<void> {
        const auto content = pattern(10'000, n);
        const Lane lane = kAllLanes[n % kAllLanes.size()];
        EXPECT_TRUE(co_await write(shared, n * 10'000, content, lane));
        if (n % 8 == 0) EXPECT_TRUE(co_await shared.sync(Lane::commit));
        EXPECT_EQ(co_await read(shared, n * 10'000, 10'000, Lane::cold), content);
      }(**file, i));
    }
    co_await scope.join();
    EXPECT_EQ((*file)->size().value_or(0), 640'000u);
  });
}

TEST_P(DiskContract, ReplacesAFileAsAWhole) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto path = directory + "/checkpoint";
    CO_ASSERT_OK(co_await replace_file(runtime.disk, path, pattern(5'000, 1)));
    CO_ASSERT_OK(co_await make_file(runtime.disk, path + ".tmp", pattern(9'000)));  // of a crash
    CO_ASSERT_OK(co_await replace_file(runtime.disk, path, pattern(100, 2)));
    EXPECT_EQ(co_await read_file(runtime.disk, path, 100), pattern(100, 2));
    expect_error(co_await read_file(runtime.disk, path, 99), Errc::corrupt_file, path);
    EXPECT_EQ(co_await runtime.disk.exists(path + ".tmp"), false);
  });
}

TEST_P(DiskContract, TellsTheSpace) {
  check([](Runtime& runtime, std::string directory) -> Task<void> {
    const auto space = runtime.disk.space(directory);
    CO_ASSERT_OK(space);
    EXPECT_GT(space->total, 0u);
    EXPECT_LE(space->available, space->total);
    co_return;
  });
}

}  // namespace disk_contract
}  // namespace sluice::io
