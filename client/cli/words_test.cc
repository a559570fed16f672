#include "client/cli/words.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(Words, CountsInTheRightNumber) {
  EXPECT_EQ(counted(0, "record"), "0 records");
  EXPECT_EQ(counted(1, "partition"), "1 partition");
  EXPECT_EQ(counted(104'334, "record"), "104,334 records");
  EXPECT_EQ(counted(1, "batch", "batches"), "1 batch");
  EXPECT_EQ(counted(2, "batch", "batches"), "2 batches");
}

TEST(Words, SayThroughputAsPeopleDo) {
  EXPECT_EQ(throughput_line(104'334, 985'000, 0.087),
            "104,334 records  985 KB  in 0.09 s  (1.2 M records/s)");
  EXPECT_EQ(throughput_line(0, 0, 0), "0 records  0 B  in 0.00 s  (0 records/s)");
}

}  // namespace
}  // namespace sluice::cli
