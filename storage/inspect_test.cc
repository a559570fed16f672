#include "storage/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/log_set_world.h"

namespace sluice::storage {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kLog = "/data/t-0/00000000000000000000.log";

class InspectTest : public ::testing::Test {
 protected:
  InspectTest() {
    world_.log_options.segment_bytes = 400;
    world_.log_options.index_interval_bytes = 100;
    EXPECT_TRUE(world_.open().has_value());
    const auto log = *world_.create("t");
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(world_.append(
          *log, {{"key", "value", Timestamp(1000 + i)}},
          {.producer_id = ProducerId(7), .producer_epoch = ProducerEpoch(0), .base_sequence = i}));
    }
  }
  void close() { ASSERT_TRUE(world_.close().has_value()); }
  InspectCounts look(const std::string& path,
                     InspectOptions options = {.verify = true, .dense = true}) {
    problems_.clear();
    auto counts = world_.run(inspect(
        world_.disk(), path, options,
        {.on_record = [&](const InspectedBatch&, const record::RecordView&) { ++shown_; },
         .on_problem = [&](const std::string& where,
                           const std::string& what) { problems_.push_back(where + ": " + what); }},
        memory_));
    EXPECT_TRUE(counts.has_value()) << counts.error().message();
    return counts.value_or(InspectCounts{});
  }
  void flip(const std::string& path, uint64_t at) {
    auto file = *world_.run(world_.disk().open(path, io::OpenMode::write));
    std::byte byte;
    ASSERT_TRUE(world_.run(file->read_at(at, {&byte, 1}, io::Lane::hot)).has_value());
    byte ^= std::byte{1};
    const ByteView part(&byte, 1);
    ASSERT_TRUE(world_.run(file->write_at(at, {&part, 1}, io::Lane::hot)).has_value());
  }

  testing::LogSetWorld world_;
  MemoryBudget memory_{"inspect", 64_MiB};
  std::vector<std::string> problems_;
  int shown_ = 0;
};

TEST_F(InspectTest, FindsNothingWrongWithACleanlyClosedDirectory) {
  close();
  const auto counts = look("/data");
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_EQ(counts.logs, 1u);
  EXPECT_EQ(counts.batches, 20u);
  EXPECT_EQ(counts.records, 20u);
  EXPECT_GT(counts.index_entries, 0u);
}

TEST_F(InspectTest, ShowsRecordsWhenAsked) {
  close();
  look(kLog, {.records = true});
  EXPECT_GT(shown_, 0);
  EXPECT_LT(shown_, 20);
}

TEST_F(InspectTest, NamesTheBatchThatRotted) {
  close();
  flip(kLog, record::kHeaderSize + 5);
  look("/data/t-0");
  EXPECT_THAT(problems_, Contains(HasSubstr("byte 0, offset 0, fails its checksum")));
}

TEST_F(InspectTest, NoticesAnIndexThatLies) {
  close();
  flip("/data/t-0/00000000000000000000.index", 7);
  look("/data/t-0");
  EXPECT_THAT(problems_, Contains(HasSubstr("the index points to byte")));
}

TEST_F(InspectTest, NoticesATimeIndexThatLies) {
  close();
  flip("/data/t-0/00000000000000000000.timeindex", 7);
  look("/data/t-0");
  EXPECT_THAT(problems_, Contains(HasSubstr("time index")));
}

TEST_F(InspectTest, NoticesARottenSnapshot) {
  close();
  flip("/data/t-0/00000000000000000020.snapshot", 20);
  look("/data/t-0");
  EXPECT_THAT(problems_, Contains(HasSubstr("fails its checksum")));
}

TEST_F(InspectTest, NoticesAMissingSegment) {
  close();
  const auto entries = *world_.run(world_.disk().list("/data/t-0"));
  std::vector<std::string> logs;
  for (const auto& entry : entries)
    if (entry.name.ends_with(".log")) logs.push_back(entry.name);
  ASSERT_GT(logs.size(), 2u);
  ASSERT_TRUE(world_.run(world_.disk().remove("/data/t-0/" + logs[1])).has_value());
  look("/data/t-0");
  EXPECT_THAT(problems_, Contains(HasSubstr("no segment covers offset")));
}

TEST_F(InspectTest, NoticesACheckpointBeyondTheLog) {
  close();
  const std::string text = "0\n1\nt 0 21\n";
  const auto bytes = as_bytes(text);
  ASSERT_TRUE(world_.run(io::replace_file(world_.disk(), "/data/replication-offset-checkpoint",
                                          {bytes.begin(), bytes.end()})));
  look("/data");
  EXPECT_THAT(problems_, Contains(HasSubstr("t-0 has 21, its log ends at 20")));
}

TEST_F(InspectTest, RefusesWhatIsNothingOfOurs) {
  close();
  ASSERT_TRUE(world_.run(world_.disk().create_directories("/elsewhere")).has_value());
  const auto empty = world_.run(inspect(world_.disk(), "/elsewhere", {}, {}, memory_));
  EXPECT_EQ(empty.error(), Errc::invalid_argument);
  const auto missing = world_.run(inspect(world_.disk(), "/nowhere", {}, {}, memory_));
  EXPECT_EQ(missing.error(), Errc::file_not_found);
}

}  // namespace
}  // namespace sluice::storage
