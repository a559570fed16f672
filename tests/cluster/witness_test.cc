// That the history of a real cluster convicts whom it must.

#include "tests/cluster/witness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cluster/node.h"

namespace sluice::cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr sim::RecordId kFirst{0, 0};
constexpr sim::RecordId kSecond{0, 1};

/// A broker with a topic of two records, which this history knows as sent and no more.
class WitnessTest : public testing::Test {
 protected:
  void SetUp() override {
    node.start();
    client = node.client();
    ASSERT_TRUE(client->admin()->create_topic({.name = "t", .partitions = 1}));
    const auto producer = client->producer();
    for (const sim::RecordId id : {kFirst, kSecond}) {
      witness.sent(id, PartitionId(0));
      ASSERT_TRUE(producer->send("t", {.value = sim::value_of(id)}));
    }
    ASSERT_TRUE(producer->close());
  }
  Node node;
  std::unique_ptr<client::Client> client;
  Witness witness{"t", 1};
};

TEST_F(WitnessTest, WhatWasKeptIsSound) {
  witness.acknowledged(kFirst, Offset(0));
  witness.acknowledged(kSecond, Offset(1));
  EXPECT_THAT(witness.broken(*client), IsEmpty());
}

TEST_F(WitnessTest, AnAcknowledgedRecordThatIsNotThereIsLost) {
  witness.sent({0, 2}, PartitionId(0));
  witness.acknowledged({0, 2}, Offset(2));
  EXPECT_THAT(witness.broken(*client),
              ElementsAre(HasSubstr("was acknowledged at t-0@2, but the log has nothing there")));
}

TEST_F(WitnessTest, ARecordAtAnotherOffsetThanPromisedIsInconsistent) {
  witness.acknowledged(kFirst, Offset(1));
  EXPECT_THAT(witness.broken(*client), testing::Contains(HasSubstr("the log has p0/1")));
}

TEST_F(WitnessTest, AnEndBelowWhatHadBeenAcknowledgedIsStale) {
  witness.acknowledged(kFirst, Offset(0));
  witness.acknowledged(kSecond, Offset(1));
  const std::vector<sim::Floor> floors = witness.floors();
  witness.was_told("watcher", {{.partition = PartitionId(0), .offset = Offset(1)}}, floors);
  EXPECT_THAT(witness.broken(*client), ElementsAre(HasSubstr("after everything below 2")));
}

TEST_F(WitnessTest, ARefusedRecordThatIsThereIsBroken) {
  witness.failed(kSecond, Error(Errc::timed_out, "no memory"), true);
  EXPECT_THAT(witness.broken(*client), ElementsAre(HasSubstr("was refused")));
}

}  // namespace
}  // namespace sluice::cluster
