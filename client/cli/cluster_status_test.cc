#include "client/cli/cluster_status.h"

#include <gmock/gmock.h>

namespace sluice::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

client::ClusterStatus three() {
  client::ClusterStatus status{.cluster_id = "id", .cluster_name = "east", .controller = NodeId{2}};
  for (const int id : {1, 2, 3}) {
    client::ClusterStatus::Broker broker;
    broker.id = NodeId{id};
    broker.host = "b" + std::to_string(id);
    broker.port = 9092;
    broker.voter = true;
    broker.replicas = 4;
    status.brokers.push_back(std::move(broker));
  }
  status.partitions = 4;
  return status;
}

TEST(ClusterStatus, SaysThatAllIsWell) {
  const auto report = report_of(three());
  EXPECT_THAT(problems_of(three()), IsEmpty());
  EXPECT_THAT(report.lines,
              ElementsAre("cluster east  3 brokers  4 partitions  controller 2", "all is well"));
  EXPECT_EQ(report.document["well"], true);
  EXPECT_EQ(report.tables.front().rows[1][3], "controller");
}

TEST(ClusterStatus, NamesWhatIsNotWellTheWorstFirst) {
  auto status = three();
  status.controller = NodeId{-1};
  status.offline = 1;
  status.under_replicated = 3;
  status.brokers[2].fenced = true;
  status.brokers[0].behind = 2;
  EXPECT_THAT(problems_of(status),
              ElementsAre(HasSubstr("no controller"), HasSubstr("1 partition has no leader"),
                          HasSubstr("broker 3 (b3:9092) is away"),
                          HasSubstr("3 partitions have replicas out of sync"),
                          HasSubstr("broker 1 (b1:9092) is behind with 2 replicas")));
  const auto report = report_of(status);
  EXPECT_EQ(report.document["well"], false);
  EXPECT_EQ(report.document["brokers"][2]["silent_ms"], nullptr);
  EXPECT_EQ(report.document["brokers"][2]["state"], "away");
  EXPECT_THAT(report.lines.front(), HasSubstr("controller none"));
}

TEST(ClusterStatus, NamesTheFirstPartitionsAndSaysThatThereAreMore) {
  auto status = three();
  status.offline = 2;
  status.offline_names = {"a-0", "a-1"};
  status.under_min_in_sync = 7;
  status.under_min_in_sync_names = {"a-0", "a-1", "b-0"};
  status.damaged = 1;
  status.damaged_names = {"c-4"};
  EXPECT_THAT(problems_of(status),
              ElementsAre(HasSubstr("nor read: a-0, a-1; bring back"),
                          HasSubstr("acks=all: a-0, a-1, b-0, ..."),
                          HasSubstr("1 partition has a damaged replica: c-4")));
  EXPECT_EQ(report_of(status).document["partitions"]["offline_names"].size(), 2U);
}

TEST(ClusterStatus, TellsSinceWhenABrokerIsAwayAndWhatABrokerSays) {
  auto status = three();
  status.brokers[1].fenced = true;
  status.brokers[1].silent = std::chrono::milliseconds(12'345);
  status.brokers[2].problems = {"data directory /d is offline: io error"};
  EXPECT_THAT(problems_of(status),
              ElementsAre(HasSubstr("broker 2 (b2:9092) has not been heard of for 12 s"),
                          HasSubstr("broker 3 (b3:9092): data directory /d is offline")));
  EXPECT_EQ(report_of(status).document["brokers"][1]["silent_ms"], 12'345);
}

TEST(ClusterStatus, WithoutAControllerItSaysWhichVotersAreNotReached) {
  auto status = three();
  status.controller = NodeId{-1};
  status.answered_by = NodeId{1};
  status.fenced_because = "the controller has not been reached for 9000 ms";
  status.voters = {{NodeId{1}, true}, {NodeId{2}, false}, {NodeId{3}, false}};
  EXPECT_THAT(problems_of(status),
              ElementsAre(HasSubstr("of 3 voters broker 1 does not reach brokers 2 and 3, and "
                                    "without most of them nothing is decided"),
                          HasSubstr("broker 1 acknowledges nothing: the controller has not")));
  EXPECT_EQ(report_of(status).document["brokers"][1]["state"], "away");
  EXPECT_EQ(report_of(status).document["brokers"][0]["state"], "well");
  status.voters[1].reached = true;
  EXPECT_THAT(problems_of(status).front(),
              HasSubstr("does not reach broker 3; one is being elected"));
}

TEST(ClusterStatus, WhatMovesIsNoProblem) {
  auto status = three();
  status.moving = 2;
  status.moving_names = {"a-0", "a-1"};
  EXPECT_THAT(problems_of(status), IsEmpty());
  EXPECT_THAT(report_of(status).lines.front(), HasSubstr("2 partitions moving: a-0, a-1"));
}

}  // namespace
}  // namespace sluice::cli
