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
