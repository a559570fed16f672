#include "storage/scrubber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/log_set_world.h"

namespace sluice::storage {
namespace {

using ::testing::HasSubstr;

class ScrubberTest : public ::testing::Test {
 protected:
  /// A log of about so many bytes, and background work that runs.
  void begin(size_t bytes) {
    world_.scrub_interval = 5s;
    ASSERT_TRUE(world_.open().has_value());
    log_ = *world_.create("t", Uuid(std::array<std::byte, 16>{std::byte{1}}));
    while (log_->ends().bytes < bytes) {
      ASSERT_TRUE(world_.append(*log_, {{"key", std::string(1000, 'v')}}).has_value());
    }
    world_.set().start();
  }
  void flip(uint64_t position) {
    auto file =
        *world_.run(world_.disk().open("/data/t-0/00000000000000000000.log", io::OpenMode::write));
    std::byte byte;
    ASSERT_TRUE(world_.run(file->read_at(position, MutableBytes(&byte, 1), io::Lane::cold)));
    byte ^= std::byte{1};
    const ByteView bytes(&byte, 1);
    ASSERT_TRUE(world_.run(file->write_at(position, std::span(&bytes, 1), io::Lane::cold)));
  }
  ~ScrubberTest() override { log_.reset(); }

  testing::LogSetWorld world_;
  std::shared_ptr<Log> log_;
};

TEST_F(ScrubberTest, FindsWhatNobodyReads) {
  begin(50'000);
  world_.simulator().run_for(6s);
  EXPECT_FALSE(log_->is_damaged());
  EXPECT_THAT(world_.metrics(), HasSubstr("sluice_scrub_passes_total 1"));
  flip(30'000);
  world_.simulator().run_for(6s);
  ASSERT_TRUE(log_->damage());
  EXPECT_THAT(*log_->damage(), HasSubstr("fails its checksum"));
  EXPECT_THAT(world_.metrics(), HasSubstr("scrub_damaged_total 1"));
}

TEST_F(ScrubberTest, TakesItsTime) {
  world_.scrub_bytes_per_second = 1_MiB;
  begin(5_MiB);
  flip(5_MiB - 100);
  world_.simulator().run_for(8s);
  EXPECT_FALSE(log_->is_damaged()) << "three seconds of five";
  EXPECT_THAT(world_.metrics(), HasSubstr("scrub_progress{directory=\"/data\"} 0."));
  world_.simulator().run_for(4s);
  EXPECT_TRUE(log_->is_damaged());
}

TEST_F(ScrubberTest, IsOffWhenItMayReadNothing) {
  world_.scrub_bytes_per_second = 0;
  begin(50'000);
  flip(30'000);
  world_.simulator().run_for(60s);
  EXPECT_FALSE(log_->is_damaged());
}

}  // namespace
}  // namespace sluice::storage
