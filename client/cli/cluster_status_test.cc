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
  EXPECT_EQ(report.document["brokers"][2]["state"], "away");
  EXPECT_THAT(report.lines.front(), HasSubstr("controller none"));
}

}  // namespace
}  // namespace sluice::cli
