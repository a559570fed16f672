#include "tests/sim/disk.h"

#include <array>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/simulator.h"

namespace sluice::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SimDiskTest : public testing::Test {
 protected:
  /// For disks without latency, whose tasks are ready.
  template <class T>
  T now(io::Task<T> task) {
    return simulator_.run(std::move(task));
  }
  std::unique_ptr<io::File> open(const std::string& path) {
    return *now(disk_.open(path, io::OpenMode::create));
  }
  Result<> write(io::File& file, uint64_t position, std::string_view text) {
    const std::array parts = {as_bytes(text)};
    return now(file.write_at(position, parts, io::Lane::hot));
  }
  std::string read(io::File& file) {
    std::string text(*file.size(), '?');
    const auto out = std::as_writable_bytes(std::span(text));
    EXPECT_EQ(now(file.read_at(0, out, io::Lane::hot)).value(), text.size());
    return text;
  }

  Simulator simulator_{1};
  SimNode& node_ = simulator_.add_node("node");
  SimDisk& disk_ = node_.disk();
};

TEST_F(SimDiskTest, WithoutLatencyEverythingIsReadyAtOnce) {
  auto opened = disk_.open("f", io::OpenMode::create);
  ASSERT_TRUE(opened.await_ready());
  const auto file = std::move(*opened.await_resume());
  const std::array parts = {as_bytes("x")};
  EXPECT_TRUE(file->write_at(0, parts, io::Lane::hot).await_ready());
  EXPECT_TRUE(file->sync(io::Lane::commit).await_ready());
}

TEST_F(SimDiskTest, LatencyTakesVirtualTime) {
  disk_.set_latency(DiskOp::sync, 5ms, 6ms);
  const auto file = open("f");
  const auto before = simulator_.now();
  EXPECT_TRUE(now(file->sync(io::Lane::commit)).has_value());
  EXPECT_GE(simulator_.now() - before, 5ms);
  EXPECT_LT(simulator_.now() - before, 7ms);
}

TEST_F(SimDiskTest, ASyncCoversOnlyWhatWasWrittenWhenItBegan) {
  disk_.set_latency(DiskOp::sync, 5ms, 5ms);
  const auto file = open("f");
  ASSERT_TRUE(now(disk_.sync_directory("")).has_value());
  ASSERT_TRUE(write(*file, 0, "old").has_value());
  bool synced = false;
  simulator_.start_on(node_.runtime().executor.control(),
                      [](io::File& of, bool& done) -> io::Task<void> {
                        done = (co_await of.sync(io::Lane::commit)).has_value();
                      }(*file, synced));
  simulator_.run_for(1ms);
  ASSERT_TRUE(write(*file, 3, "new").has_value());
  ASSERT_TRUE(simulator_.run_until([&] { return synced; }, 1s));
  SeededRandom random(1);
  const auto after = disk_.crash(CrashMode::lose_all, random);
  EXPECT_EQ(after.content(*after.find("f")).size(), 3u);
}

TEST_F(SimDiskTest, FailsTheCallWithTheNumber) {
  const auto file = open("f");
  disk_.fail_call(disk_.calls() + 2, Errc::disk_failed);
  EXPECT_TRUE(write(*file, 0, "first").has_value());
  const auto failed = now(file->truncate(0));
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error(), Errc::disk_failed);
  EXPECT_THAT(std::string(failed.error().message()), HasSubstr("truncate f"));
  EXPECT_EQ(read(*file), "first");
}

TEST_F(SimDiskTest, AFailedWriteLeavesSomePrefix) {
  const auto file = open("f");
  disk_.fail_all(DiskOp::write, Errc::disk_failed);
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(now(file->truncate(0)).has_value());
    EXPECT_FALSE(write(*file, 0, "abc").has_value());
    seen.insert(read(*file));
  }
  EXPECT_THAT(seen, ElementsAre("", "a", "ab", "abc"));
}

TEST_F(SimDiskTest, RefusesWhatExceedsTheCapacity) {
  disk_.set_capacity(2 * FileContent::kPage);
  const auto file = open("f");
  EXPECT_TRUE(write(*file, 0, std::string(2 * FileContent::kPage, 'x')).has_value());
  EXPECT_EQ(write(*file, 2 * FileContent::kPage, "y").error(), Errc::disk_full);
  EXPECT_EQ(now(file->allocate(0, 3 * FileContent::kPage)).error(), Errc::disk_full);
  EXPECT_EQ(disk_.space("/")->available, 0u);
  ASSERT_TRUE(now(file->truncate(1)).has_value());
  EXPECT_TRUE(write(*file, FileContent::kPage, "y").has_value()) << "space came back";
}

TEST_F(SimDiskTest, MapsSeeLaterWritesAndCuts) {
  const auto file = open("f");
  ASSERT_TRUE(write(*file, 0, "abcdef").has_value());
  const auto map = *file->map(100);
  const ByteView view = map->bytes(0, 6);
  ASSERT_TRUE(write(*file, 2, "XY").has_value());
  EXPECT_EQ(as_text(view), "abXYef");
  ASSERT_TRUE(write(*file, 6, "gh").has_value());
  EXPECT_EQ(as_text(map->bytes(6, 2)), "gh");
  ASSERT_TRUE(now(file->truncate(3)).has_value());
  EXPECT_DEATH(map->bytes(2, 2), "within the file: f");
}

TEST_F(SimDiskTest, TellsTheObserverBeforeAndAfterEachChange) {
  std::vector<std::string> seen;
  disk_.set_observer([&](const DiskCall& call, bool done) {
    seen.push_back(std::string(done ? "after " : "before ") + std::string(name_of(call.op)) + " " +
                   std::to_string(disk_.image().list("")->size()));
  });
  const auto file = open("f");
  EXPECT_EQ(read(*file), "");
  ASSERT_TRUE(now(disk_.rename("f", "g")).has_value());
  EXPECT_THAT(seen,
              ElementsAre("before open 0", "after open 1", "before rename 1", "after rename 1"));
}

TEST_F(SimDiskTest, DroppedPagesAreColdUntilTouched) {
  const auto file = open("f");
  ASSERT_TRUE(write(*file, 0, std::string(3 * FileContent::kPage, 'x')).has_value());
  EXPECT_EQ(*file->resident(0, 1_MiB), 3 * FileContent::kPage);
  file->drop_cache(FileContent::kPage, FileContent::kPage);
  EXPECT_EQ(*file->resident(0, 1_MiB), FileContent::kPage);
  ASSERT_TRUE(now(file->read_ahead(FileContent::kPage, 1)).has_value());
  EXPECT_EQ(*file->resident(0, 1_MiB), 3 * FileContent::kPage);
}

TEST_F(SimDiskTest, AfterAKillCallsFailThoseInFlightToo) {
  disk_.set_latency(DiskOp::sync, 5ms, 5ms);
  const auto file = open("f");
  ASSERT_TRUE(write(*file, 0, "abc").has_value());
  std::optional<Result<>> synced;
  simulator_.start_on(node_.runtime().executor.control(),
                      [](io::File& of, std::optional<Result<>>& out) -> io::Task<void> {
                        out = co_await of.sync(io::Lane::commit);
                      }(*file, synced));
  simulator_.run_for(1ms);
  node_.kill(Death::power);
  simulator_.settle();
  ASSERT_TRUE(synced.has_value());
  EXPECT_EQ(synced->error(), Errc::disk_offline);
  EXPECT_EQ(write(*file, 3, "def").error(), Errc::disk_offline);
  EXPECT_TRUE(disk_.image().has_unsynced());
  EXPECT_EQ(disk_.image().content(*disk_.image().find("f")).size(), 3u);
}

}  // namespace
}  // namespace sluice::sim
