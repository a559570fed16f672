#include "tests/simulated/log_reader.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/record/builder.h"
#include "storage/segment_name.h"

namespace sluice::sim {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LogReaderTest : public testing::Test {
 protected:
  LogReaderTest() { EXPECT_TRUE(disk_.create("/log", true)); }

  /// A batch of one record, in the segment that begins at `segment`.
  void append(int64_t segment, int64_t offset) {
    std::vector<std::byte> bytes;
    record::BatchBuilder builder(record::Growing{bytes});
    EXPECT_TRUE(
        builder.append(std::nullopt, as_bytes(std::string_view("value")), {}, Timestamp(1)));
    static_cast<void>(builder.finish({}));
    record::stamp(bytes, Offset(offset), LeaderEpoch(0));
    const auto path = storage::segment_path("/log", Offset(segment), storage::kLogSuffix);
    auto file = disk_.find(path);
    if (!file) file = disk_.create(path, false);
    disk_.write(*file, disk_.content(*file).size(), bytes);
  }
  std::vector<int64_t> visit(int64_t end) {
    std::vector<int64_t> offsets;
    reader_.visit(disk_, Offset(end), [&](const record::BatchHeader& batch) {
      offsets.push_back(batch.base_offset.value());
    });
    return offsets;
  }

  DiskImage disk_;
  LogReader reader_{"/log"};
};

TEST_F(LogReaderTest, VisitsEachBatchOnce) {
  append(0, 0);
  append(0, 1);
  append(0, 2);
  EXPECT_THAT(visit(2), ElementsAre(0, 1));
  EXPECT_THAT(visit(2), IsEmpty());
  EXPECT_THAT(visit(3), ElementsAre(2));
}

TEST_F(LogReaderTest, GoesOnInTheNextSegment) {
  append(0, 0);
  append(1, 1);
  EXPECT_THAT(visit(2), ElementsAre(0, 1));
}

TEST_F(LogReaderTest, WaitsForWhatTheDiskDoesNotHaveYet) {
  EXPECT_THAT(visit(1), IsEmpty());
  append(0, 0);
  EXPECT_THAT(visit(2), ElementsAre(0));
  append(0, 1);
  EXPECT_THAT(visit(2), ElementsAre(1));
}

TEST_F(LogReaderTest, BeginsAnewAfterACut) {
  append(0, 0);
  EXPECT_THAT(visit(1), ElementsAre(0));
  reader_.rewind();
  EXPECT_THAT(visit(1), ElementsAre(0));
}

}  // namespace
}  // namespace sluice::sim
