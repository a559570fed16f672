#include "storage/file_cache.h"

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "storage/segment_file.h"
#include "tests/sim/simulator.h"

namespace sluice::storage {
namespace {

class FileCacheTest : public testing::Test {
 protected:
  std::shared_ptr<SegmentFile> file(int number) {
    return std::make_shared<SegmentFile>(node_.disk(), cache_, "/f" + std::to_string(number));
  }
  template <class T>
  T run(io::Task<T> task) {
    return simulator_.run_on(node_.runtime().executor.worker(0), std::move(task));
  }

  sim::Simulator simulator_{1};
  sim::SimNode& node_ = simulator_.add_node("node");
  FileCache cache_{4};
};

TEST_F(FileCacheTest, KeepsNoMoreOpenThanTheLimit) {
  std::vector<std::shared_ptr<SegmentFile>> files;
  for (int i = 0; i < 20; ++i) {
    files.push_back(file(i));
    ASSERT_TRUE(run(files.back()->create()));
    EXPECT_LE(cache_.open(), 4u);
  }
  for (const auto& each : files) EXPECT_TRUE(run(each->open()));
  EXPECT_EQ(cache_.open(), 4u);
}

TEST_F(FileCacheTest, ShrinksWhenAskedAndOpensAgainWhatIsUsed) {
  std::vector<std::shared_ptr<SegmentFile>> files;
  for (int i = 0; i < 4; ++i) {
    files.push_back(file(i));
    ASSERT_TRUE(run(files.back()->create()));
  }
  EXPECT_EQ(cache_.shrink_to(1), 3u);
  EXPECT_EQ(cache_.open(), 1u);
  EXPECT_EQ(cache_.shrink_to(1), 0u);
  for (const auto& each : files) EXPECT_TRUE(run(each->open()));
  EXPECT_EQ(cache_.open(), 4u);
}

TEST_F(FileCacheTest, KeepsNoMoreBytesThanTheLimit) {
  struct Held final : Evictable {
    explicit Held(FileCache& by) : cache(by) {}
    ~Held() override { cache.forget(*this); }
    std::shared_ptr<const void> evict() override { return std::exchange(what, nullptr); }
    FileCache& cache;
    std::shared_ptr<const void> what = std::make_shared<int>(0);
  };
  FileCache maps(100, 1000);
  std::deque<Held> held;
  for (int i = 0; i < 20; ++i) {
    maps.opened(held.emplace_back(maps), 300);
    EXPECT_LE(maps.bytes(), 1000u);
  }
  EXPECT_EQ(maps.open(), 3u);
  EXPECT_TRUE(held.back().what) << "who was opened last is in use";
  // One that is larger than all may be stays alone.
  maps.opened(held.emplace_back(maps), 5000);
  EXPECT_EQ(maps.open(), 1u);
  maps.grew(held.back(), 5100);
  EXPECT_EQ(maps.bytes(), 5100u);
  maps.grew(held.front(), 100);
  EXPECT_EQ(maps.bytes(), 5100u) << "that one is closed";
  held.pop_back();
  EXPECT_EQ(maps.bytes(), 0u);
}

TEST_F(FileCacheTest, AFileInUseStaysOpenForItsUser) {
  const auto used = file(0);
  const auto held = *run(used->create());
  for (int i = 1; i < 20; ++i) ASSERT_TRUE(run(file(i)->create()));
  EXPECT_TRUE(held->size());
}

TEST_F(FileCacheTest, APinnedFileStaysReadableWhenItsNameIsGone) {
  const auto pinned = file(0);
  ASSERT_TRUE(run(pinned->create()));
  ASSERT_TRUE(run(pinned->pin()));
  ASSERT_TRUE(run(node_.disk().remove("/f0")));
  std::vector<std::shared_ptr<SegmentFile>> others;
  for (int i = 1; i < 20; ++i) {
    others.push_back(file(i));
    ASSERT_TRUE(run(others.back()->create()));
  }
  EXPECT_TRUE(run(pinned->open()));
}

TEST_F(FileCacheTest, AFileStaysOpenUntilWhatWasWrittenIsSynced) {
  const auto written = file(0);
  ASSERT_TRUE(run(written->create()));
  written->set_unsynced(true);
  const auto open_others = [&] {
    std::vector<std::shared_ptr<SegmentFile>> others;
    for (int i = 1; i < 20; ++i) {
      others.push_back(file(i));
      ASSERT_TRUE(run(others.back()->create()));
    }
  };
  open_others();
  EXPECT_TRUE(written->open().is_ready()) << "a descriptor opened later is not told of what failed";
  written->set_unsynced(false);
  open_others();
  EXPECT_FALSE(written->evict()) << "it was closed already";
}

TEST_F(FileCacheTest, ForgetsMembersThatDie) {
  {
    const auto short_lived = file(0);
    ASSERT_TRUE(run(short_lived->create()));
    EXPECT_EQ(cache_.open(), 1u);
  }
  EXPECT_EQ(cache_.open(), 0u);
}

}  // namespace
}  // namespace sluice::storage
