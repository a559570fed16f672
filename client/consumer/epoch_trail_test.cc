#include "client/consumer/epoch_trail.h"

#include <gtest/gtest.h>

namespace sluice::client {
namespace {

/// Read: epoch 1 from offset 0, epoch 3 from 10, epoch 4 from 20.
class EpochTrailTest : public ::testing::Test {
 protected:
  EpochTrailTest() {
    for (const int64_t first : {0, 5}) trail.read(LeaderEpoch{1}, Offset{first});
    trail.read(LeaderEpoch{3}, Offset{10});
    for (const int64_t first : {20, 25}) trail.read(LeaderEpoch{4}, Offset{first});
  }
  EpochTrail trail;
};

TEST_F(EpochTrailTest, AnEpochThatBothKnowEndsForBothWhereItEndsFirst) {
  EXPECT_EQ(trail.last(), LeaderEpoch{4});
  for (const auto& [end, at] : {std::pair{15, 15}, {20, 20}, {30, 20}}) {
    const auto parting = trail.part(LeaderEpoch{3}, Offset{end});
    EXPECT_EQ(parting.at, Offset{at});
    EXPECT_TRUE(parting.certain);
  }
}

TEST_F(EpochTrailTest, BehindAnEpochThatOnlyTheBrokerKnowsLogsMayPartEarlier) {
  const auto parting = trail.part(LeaderEpoch{2}, Offset{14});
  EXPECT_EQ(parting.at, Offset{10});
  EXPECT_FALSE(parting.certain);
  trail.back_to(parting.at);
  EXPECT_EQ(trail.last(), LeaderEpoch{1});
  EXPECT_EQ(trail.part(LeaderEpoch{1}, Offset{7}).at, Offset{7});
}

TEST_F(EpochTrailTest, BeforeAllThatIsRememberedTheBrokersWordHolds) {
  const auto parting = trail.part(LeaderEpoch{0}, Offset{0});
  EXPECT_EQ(parting.at, Offset{0});
  EXPECT_TRUE(parting.certain);
}

TEST_F(EpochTrailTest, GoingBackForgetsWhatWasReadFromThereOn) {
  trail.back_to(Offset{20});
  EXPECT_EQ(trail.last(), LeaderEpoch{3});
  trail.back_to(Offset{11});
  EXPECT_EQ(trail.last(), LeaderEpoch{3});
  trail.back_to(Offset{0});
  EXPECT_EQ(trail.last(), LeaderEpoch{-1});
}

TEST_F(EpochTrailTest, AnEpochThatGoesBackMakesTheWholeTrailWorthless) {
  trail.read(LeaderEpoch{2}, Offset{30});
  EXPECT_EQ(trail.last(), LeaderEpoch{-1});
}

TEST_F(EpochTrailTest, RemembersTheLastEpochsOnly) {
  for (int32_t epoch = 5; epoch < 200; ++epoch) trail.read(LeaderEpoch{epoch}, Offset{epoch * 10});
  EXPECT_EQ(trail.last(), LeaderEpoch{199});
  EXPECT_EQ(trail.part(LeaderEpoch{4}, Offset{26}).at, Offset{26});
  EXPECT_TRUE(trail.part(LeaderEpoch{4}, Offset{26}).certain);
}

}  // namespace
}  // namespace sluice::client
