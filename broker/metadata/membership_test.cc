#include "broker/metadata/membership.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

ClusterMember member(int id, std::string host) {
  return {.cluster_name = "east",
          .node_id = NodeId{id},
          .directory_id = {},
          .address = {std::move(host), 9092},
          .cluster_id = ""};
}

MetadataImage image_with(int id, std::string host, uint16_t port = 9092) {
  MetadataImage image;
  image.cluster_id = "C";
  BrokerImage broker;
  broker.id = NodeId{id};
  broker.host = std::move(host);
  broker.port = port;
  image.brokers.push_back(std::move(broker));
  return image;
}

TEST(Membership, TheWordOfTheMetadataWins) {
  Membership membership(member(1, "one"));
  EXPECT_FALSE(membership.address_of(NodeId{2}));
  membership.note(member(2, "two"));
  EXPECT_EQ(membership.address_of(NodeId{2})->host, "two");
  membership.update(image_with(2, "moved"));
  EXPECT_EQ(membership.address_of(NodeId{2})->host, "moved");
  EXPECT_EQ(membership.known().back().cluster_id, "C");
}

TEST(Membership, ARegistrationWithoutAPortSaysNothing) {
  Membership membership(member(1, "one"));
  membership.note(member(2, "two"));
  membership.update(image_with(2, "listens-nowhere", 0));
  EXPECT_EQ(membership.address_of(NodeId{2})->host, "two");
}

TEST(Membership, WhoLeftIsForgotten) {
  Membership membership(member(1, "one"));
  membership.note(member(2, "two"));
  membership.update(image_with(2, "two"));
  membership.update(MetadataImage());
  EXPECT_FALSE(membership.address_of(NodeId{2}));
  EXPECT_EQ(membership.known().size(), 1U);
}

TEST(Membership, WhoMovedIsWhereItSaysUntilItRegistersAgain) {
  Membership membership(member(1, "one"));
  MetadataImage image = image_with(2, "two");
  image.brokers.front().epoch = 5;
  membership.update(image);
  membership.moved(member(2, "elsewhere"));
  EXPECT_EQ(membership.address_of(NodeId{2})->host, "elsewhere");
  EXPECT_EQ(membership.known().back().address.host, "elsewhere");
  membership.update(image);
  EXPECT_EQ(membership.address_of(NodeId{2})->host, "elsewhere");
  // It went back: what it registered holds again.
  membership.moved(member(2, "two"));
  EXPECT_EQ(membership.address_of(NodeId{2})->host, "two");
  membership.moved(member(2, "elsewhere"));
  image.brokers.front().host = "third";
  image.brokers.front().epoch = 9;
  membership.update(image);
  EXPECT_EQ(membership.address_of(NodeId{2})->host, "third");
}

TEST(Membership, NobodyMovesWithoutBeingKnownOrWithAnotherDirectory) {
  Membership membership(member(1, "one"));
  membership.moved(member(7, "anywhere"));
  EXPECT_FALSE(membership.address_of(NodeId{7}));
  EXPECT_EQ(membership.known().size(), 1U);
  membership.update(image_with(2, "two"));
  membership.note(member(3, "three"));
  for (const int id : {2, 3}) {
    ClusterMember other = member(id, "elsewhere");
    other.directory_id = Uuid::parse("AAAAAAAAAAAAAAAAAAAAAQ").value();
    membership.moved(other);
    EXPECT_NE(membership.address_of(NodeId{id})->host, "elsewhere");
  }
  membership.moved(member(3, "elsewhere"));
  EXPECT_EQ(membership.address_of(NodeId{3})->host, "elsewhere") << "a founder before it registers";
}

TEST(Membership, TheMetadataTellsABrokerItsCluster) {
  Membership membership(member(1, "one"));
  EXPECT_TRUE(membership.undecided());
  membership.update(MetadataImage());
  EXPECT_TRUE(membership.undecided());
  membership.update(image_with(1, "one"));
  EXPECT_FALSE(membership.undecided());
  EXPECT_EQ(membership.cluster_id(), "C");
  Membership fresh(member(2, "two"));
  fresh.has_no_cluster();
  EXPECT_FALSE(fresh.undecided());
}

TEST(Membership, FoundersAreKnownFromTheBeginning) {
  Membership membership(member(1, "one"));
  membership.belongs_to("C", {member(1, "one"), member(2, "two")});
  EXPECT_EQ(membership.cluster_id(), "C");
  EXPECT_EQ(membership.self().cluster_id, "C");
  EXPECT_EQ(membership.founders().size(), 2U);
  EXPECT_EQ(membership.address_of(NodeId{2})->host, "two");
}

}  // namespace
}  // namespace sluice::broker
