#include "broker/metadata/own_session.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

constexpr TimePoint kStart{1h};

class OwnSessionTest : public ::testing::Test {
 protected:
  static MetadataImage image(bool fenced, int32_t brokers = 3, uint8_t start = 1) {
    MetadataImage image;
    for (int32_t id = 1; id <= brokers; ++id) {
      BrokerImage& broker = image.brokers.emplace_back();
      broker.id = NodeId{id};
      broker.fenced = id == 1 && fenced;
      broker.incarnation = incarnation(start);
    }
    return image;
  }
  static Uuid incarnation(uint8_t number) {
    std::array<std::byte, Uuid::kSize> bytes{};
    bytes[0] = std::byte{number};
    return Uuid(bytes);
  }
  bool follow(const MetadataImage& image) {
    return session_.follow(image, NodeId{1}, incarnation(1));
  }
  OwnSession session_{1s};
};

TEST_F(OwnSessionTest, LastsFromWhenTheAnsweredHeartbeatWasSent) {
  EXPECT_EQ(session_.until(), TimePoint::min());
  EXPECT_TRUE(follow(image(false)));
  EXPECT_EQ(session_.until(), TimePoint::min());
  session_.answered(kStart, false);
  EXPECT_EQ(session_.until(), kStart + 1s);
  EXPECT_FALSE(follow(image(false)));
}

TEST_F(OwnSessionTest, ALateAnswerToAnEarlierHeartbeatTakesNothingAway) {
  follow(image(false));
  session_.answered(kStart + 400ms, false);
  session_.answered(kStart, false);
  EXPECT_EQ(session_.until(), kStart + 1400ms);
}

TEST_F(OwnSessionTest, AControllerThatNobodyIsKnownToCountOnExtendsNothing) {
  follow(image(false));
  session_.answered(kStart + 400ms, false, 300ms);
  EXPECT_EQ(session_.until(), kStart + 1100ms);
  session_.answered(kStart + 600ms, false, 500ms);
  EXPECT_EQ(session_.until(), kStart + 1100ms);
}

TEST_F(OwnSessionTest, EndsWhenTheControllerOrTheMetadataSaysSo) {
  follow(image(false));
  session_.answered(kStart, true);
  EXPECT_EQ(session_.until(), TimePoint::min());
  // What the metadata said before is older than the answer.
  follow(image(false));
  EXPECT_EQ(session_.until(), TimePoint::min());
  session_.answered(kStart, false);
  follow(image(true));
  EXPECT_EQ(session_.until(), TimePoint::min());
  EXPECT_TRUE(follow(image(false)));
  EXPECT_EQ(session_.until(), kStart + 1s);
}

TEST_F(OwnSessionTest, AnotherProcessesRegistrationIsNotOurs) {
  follow(image(false, 3, 2));
  session_.answered(kStart, false);
  EXPECT_TRUE(session_.fenced());
}

TEST_F(OwnSessionTest, TheOnlyBrokerNeedsNobody) {
  follow(image(false, 1));
  EXPECT_EQ(session_.until(), TimePoint::max());
  EXPECT_FALSE(session_.fenced());
  follow(image(false, 2));
  EXPECT_EQ(session_.until(), TimePoint::min());
}

}  // namespace
}  // namespace sluice::broker
