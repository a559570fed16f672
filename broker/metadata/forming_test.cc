#include "broker/metadata/forming.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "tests/support/peer_world.h"

namespace sluice::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FormingTest : public PeerWorld {
 protected:
  static io::Endpoint seed(int number) { return member(number).address; }
  static std::vector<io::Endpoint> three() { return {seed(1), seed(2), seed(3)}; }
  static DiscoverAnswer fresh(int number) {
    return {.self = member(number), .known = {member(number)}, .founders = {}};
  }
  static DiscoverAnswer of_cluster(int number, std::string id,
                                   std::vector<ClusterMember> founders = {}) {
    DiscoverAnswer answer = fresh(number);
    answer.self.cluster_id = std::move(id);
    answer.known = {answer.self};
    answer.founders = std::move(founders);
    return answer;
  }
  /// What three fresh brokers decide, told in this order.
  static std::optional<Founding> decided_by(int self, std::vector<int> order) {
    Forming forming(member(self), three());
    for (const int number : order) forming.answered(seed(number), fresh(number));
    auto decision = forming.decide();
    auto* found = std::get_if<Forming::Found>(&decision);
    return found == nullptr ? std::nullopt : std::optional(found->founding);
  }
  template <class T>
  static bool is(const Forming& forming) {
    return std::holds_alternative<T>(forming.decide());
  }
  static std::string refusal(const Forming& forming) {
    const auto decision = forming.decide();
    const auto* refuse = std::get_if<Forming::Refuse>(&decision);
    return refuse == nullptr ? "" : std::string(refuse->why.message());
  }
};

TEST_F(FormingTest, EveryBrokerDecidesTheSameInEveryOrder) {
  const auto first = decided_by(1, {1, 2, 3});
  ASSERT_TRUE(first);
  EXPECT_THAT(first->voters(), ElementsAre(NodeId{1}, NodeId{2}, NodeId{3}));
  EXPECT_TRUE(Uuid::parse(first->cluster_id));
  for (const int self : {1, 2, 3}) {
    std::vector<int> order = {1, 2, 3};
    do {
      EXPECT_EQ(decided_by(self, order), first);
    } while (std::ranges::next_permutation(order).found);
  }
}

TEST_F(FormingTest, NobodyDecidesWhileASeedIsMissing) {
  Forming forming(member(1), three());
  forming.answered(seed(1), fresh(1));
  forming.answered(seed(2), fresh(2));
  forming.failed(seed(3), Error(Errc::connection_refused, "b3:9092: nobody listens"));
  EXPECT_TRUE(is<Forming::AskOn>(forming));
  EXPECT_THAT(forming.waits_for(), ElementsAre(HasSubstr("seed b3:9092: b3:9092: nobody")));
  forming.answered(seed(3), fresh(3));
  EXPECT_TRUE(is<Forming::Found>(forming));
  // What it said before it went says nothing of who comes back.
  forming.failed(seed(3), Error(Errc::connection_closed));
  EXPECT_TRUE(is<Forming::AskOn>(forming));
}

TEST_F(FormingTest, WhoWasCountedOnFoundsWithTheOthersWhoeverIsAway) {
  const auto founding = decided_by(1, {1, 2, 3});
  Forming forming(member(2), three());
  forming.answered(seed(1), of_cluster(1, founding->cluster_id, founding->founders));
  const auto decision = forming.decide();
  ASSERT_TRUE(std::holds_alternative<Forming::Found>(decision));
  EXPECT_EQ(std::get<Forming::Found>(decision).founding, founding);
}

TEST_F(FormingTest, AWipedFounderJoins) {
  const auto founding = decided_by(1, {1, 2, 3});
  ClusterMember wiped = member(2);
  wiped.directory_id = directory_id_of(99);
  Forming forming(wiped, three());
  forming.answered(seed(1), of_cluster(1, founding->cluster_id, founding->founders));
  EXPECT_TRUE(is<Forming::Join>(forming));
}

TEST_F(FormingTest, ANewBrokerJoinsAtTheSeedsFirst) {
  Forming forming(member(4), three());
  DiscoverAnswer answer = of_cluster(2, "C");
  answer.known.push_back(of_cluster(7, "C").self);
  forming.answered(seed(2), std::move(answer));
  forming.answered(seed(3), of_cluster(3, "C"));
  const auto decision = forming.decide();
  ASSERT_TRUE(std::holds_alternative<Forming::Join>(decision));
  std::vector<NodeId> asked;
  for (const auto& m : std::get<Forming::Join>(decision).members) asked.push_back(m.node_id);
  EXPECT_THAT(asked, ElementsAre(NodeId{2}, NodeId{3}, NodeId{7}));
}

TEST_F(FormingTest, WhoIsNoSeedWaitsUntilTheSeedsHaveACluster) {
  Forming forming(member(4), three());
  for (const int number : {1, 2, 3}) forming.answered(seed(number), fresh(number));
  EXPECT_TRUE(is<Forming::AskOn>(forming));
  EXPECT_THAT(forming.waits_for(), ElementsAre(HasSubstr("not one of its seeds")));
}

TEST_F(FormingTest, TwoBrokersWithOneIdAreRefusedWithBothAddresses) {
  Forming forming(member(1), three());
  forming.answered(seed(1), fresh(1));
  DiscoverAnswer twin = fresh(3);
  twin.self.node_id = NodeId{1};
  forming.answered(seed(3), std::move(twin));
  EXPECT_THAT(refusal(forming), HasSubstr("b1:9092"));
  EXPECT_THAT(refusal(forming), HasSubstr("b3:9092"));
}

TEST_F(FormingTest, AnotherNameIsRefusedWithBothNames) {
  Forming forming(member(1), three());
  DiscoverAnswer other = fresh(2);
  other.self.cluster_name = "elsewhere";
  forming.answered(seed(2), std::move(other));
  EXPECT_THAT(refusal(forming), HasSubstr("\"elsewhere\""));
  EXPECT_THAT(refusal(forming), HasSubstr("\"test\""));
}

TEST_F(FormingTest, SeedsOfTwoClustersAreRefused) {
  Forming forming(member(4), three());
  forming.answered(seed(1), of_cluster(1, "C"));
  forming.answered(seed(2), of_cluster(2, "D"));
  EXPECT_THAT(refusal(forming), HasSubstr("C, seed b2:9092 to D"));
}

TEST_F(FormingTest, ASeedNamedTwiceIsOneBroker) {
  Forming forming(member(1), {seed(1), seed(2), io::Endpoint{"alias", 9092}});
  forming.answered(seed(1), fresh(1));
  forming.answered(seed(2), fresh(2));
  forming.answered({"alias", 9092}, fresh(2));
  const auto decision = forming.decide();
  ASSERT_TRUE(std::holds_alternative<Forming::Found>(decision));
  EXPECT_THAT(std::get<Forming::Found>(decision).founding.voters(),
              ElementsAre(NodeId{1}, NodeId{2}));
}

TEST_F(FormingTest, TheClusterIsNamedByTheIdsAndDirectoriesOfAll) {
  const auto id = founded_cluster_id({member(1), member(2)});
  EXPECT_NE(id, founded_cluster_id({member(1), member(3)}));
  ClusterMember other = member(1);
  other.directory_id = directory_id_of(9);
  EXPECT_NE(id, founded_cluster_id({other, member(2)}));
  ClusterMember replaced = member(2);
  replaced.directory_id = directory_id_of(9);
  // With the same name an empty disk would vote where its predecessor did.
  EXPECT_NE(id, founded_cluster_id({member(1), replaced}));
}

}  // namespace
}  // namespace sluice::broker
