#include "client/cli/partition_moves.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

client::MoveInfo move() {
  return {.topic = "orders",
          .partition = PartitionId(3),
          .leader = NodeId(1),
          .replicas = {NodeId(4), NodeId(2), NodeId(1)},
          .adding = {NodeId(4)},
          .removing = {NodeId(1)},
          .left = {{.id = NodeId(4), .records = 1204, .bytes = 3'000'000}}};
}

TEST(PartitionMoves, SayWhatComesWhatGoesAndWhatIsLeftToCopy) {
  const Report report = report_of({move()});
  ASSERT_EQ(report.tables.size(), 1U);
  const auto& row = report.tables[0].rows.at(0);
  EXPECT_EQ(row[0], "orders-3");
  EXPECT_EQ(row[2], "4");
  EXPECT_EQ(row[3], "1");
  EXPECT_NE(row[4].find("4: 1,204 records"), std::string::npos) << row[4];
  EXPECT_EQ(report.document[0]["left"][0]["bytes"], 3'000'000);
}

TEST(PartitionMoves, SaySoWhenThereIsNone) {
  const Report report = report_of({});
  EXPECT_TRUE(report.tables.empty());
  EXPECT_EQ(report.lines.at(0), "no partition is being moved");
  EXPECT_EQ(report.document, Json::array());
}

TEST(PartitionMoves, DoNotGuessWhatALeaderDidNotSay) {
  client::MoveInfo one = move();
  one.left.clear();
  EXPECT_EQ(left_of(one), "not known");
}

}  // namespace
}  // namespace sluice::cli
