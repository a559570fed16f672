#include "broker/metadata/fold.h"

#include <string>

#include <gtest/gtest.h>

#include "base/version.h"
#include "broker/metadata/partition_codec.h"
#include "broker/metadata/snapshot_codec.h"

namespace sluice::broker {
namespace {

Uuid id_of(uint8_t number) {
  std::array<std::byte, Uuid::kSize> bytes{};
  bytes[0] = std::byte{number};
  return Uuid(bytes);
}
std::string text_of(const Uuid& id) { return std::string(as_text(id.bytes())); }

/// Folds commands of one record each; `last` is the outcome of the last one.
class Folding {
 public:
  Result<> fold_in(cluster::MetadataRecord record) {
    cluster::MetadataCommand command;
    command.set_id(text_of(id_of(static_cast<uint8_t>(100 + ++commands_))));
    *command.add_records() = std::move(record);
    return fold_in(command);
  }
  Result<> fold_in(const cluster::MetadataCommand& command) {
    ASSIGN_OR_RETURN(image, fold(image, command, image.version + 1));
    return {};
  }
  Result<> create(uint8_t id, const std::string& name, int partitions = 1) {
    cluster::MetadataRecord record;
    auto& topic = *record.mutable_topic_created();
    topic.set_id(text_of(id_of(id)));
    topic.set_name(name);
    for (int i = 0; i < partitions; ++i) {
      auto& partition = *topic.add_partitions();
      partition.add_replicas(1);
      partition.add_in_sync(1);
      partition.set_leader(1);
    }
    return fold_in(std::move(record));
  }
  Result<> remove(uint8_t id) {
    cluster::MetadataRecord record;
    record.mutable_topic_deleted()->set_id(text_of(id_of(id)));
    return fold_in(std::move(record));
  }
  Result<> register_broker(int id, bool unclean) {
    cluster::MetadataRecord record;
    auto& broker = *record.mutable_broker_registered();
    broker.set_node_id(id);
    broker.set_host("host");
    broker.set_port(9092);
    broker.set_unclean(unclean);
    return fold_in(std::move(record));
  }

  MetadataImage image;

 private:
  int commands_ = 0;
};

TEST(Fold, FindsATopicByNameAndById) {
  Folding folding;
  ASSERT_TRUE(folding.create(1, "orders", 3));
  ASSERT_TRUE(folding.image.topic("orders"));
  EXPECT_EQ(folding.image.topic(id_of(1))->partitions.size(), 3u);
  EXPECT_EQ(folding.image.partitions, 3u);
  EXPECT_FALSE(folding.image.topic("order"));
}

TEST(Fold, ImagesOfBeforeStayAsTheyWere) {
  Folding folding;
  ASSERT_TRUE(folding.create(1, "orders"));
  const MetadataImage before = folding.image;
  ASSERT_TRUE(folding.remove(1));
  EXPECT_TRUE(before.topic("orders"));
  EXPECT_FALSE(folding.image.topic("orders"));
  EXPECT_FALSE(folding.image.topic(id_of(1)));
}

TEST(Fold, RefusesANameThatIsTakenOrCollides) {
  Folding folding;
  ASSERT_TRUE(folding.create(1, "a.b"));
  EXPECT_EQ(folding.create(2, "a.b").error().code(), Errc::topic_exists);
  EXPECT_EQ(folding.create(2, "a_b").error().code(), Errc::invalid_topic_name);
  ASSERT_TRUE(folding.remove(1));
  EXPECT_TRUE(folding.create(2, "a_b"));
}

TEST(Fold, ARefusedCommandChangesNothingAtAll) {
  Folding folding;
  cluster::MetadataCommand command;
  command.set_id(text_of(id_of(9)));
  command.add_records()->mutable_cluster_created()->set_cluster_id("c");
  command.add_records()->mutable_topic_deleted()->set_id(text_of(id_of(1)));
  EXPECT_EQ(folding.fold_in(command).error().code(), Errc::unknown_topic_id);
  EXPECT_EQ(folding.image.cluster_id, "");
  EXPECT_EQ(folding.image.version, 0u);
}

TEST(Fold, ARepeatedCommandChangesNothing) {
  Folding folding;
  cluster::MetadataCommand command;
  command.set_id(text_of(id_of(9)));
  command.add_records()->mutable_producer_id_block()->set_count(1000);
  ASSERT_TRUE(folding.fold_in(command));
  EXPECT_EQ(folding.fold_in(command).error().code(), Errc::already_exists);
  EXPECT_EQ(folding.image.next_producer_id, 1000);
}

TEST(Fold, PartitionsAreAddedOnlyToTheNumberThatWasSeen) {
  Folding folding;
  ASSERT_TRUE(folding.create(1, "orders", 2));
  cluster::MetadataRecord record;
  record.mutable_partitions_added()->set_topic_id(text_of(id_of(1)));
  record.mutable_partitions_added()->set_first(2);
  record.mutable_partitions_added()->add_partitions()->set_leader(1);
  ASSERT_TRUE(folding.fold_in(record));
  EXPECT_EQ(folding.image.topic("orders")->partitions.size(), 3u);
  EXPECT_EQ(folding.fold_in(record).error().code(), Errc::invalid_partitions);
}

TEST(Fold, AnUncleanStopBeginsNewLeaderEpochsWhereItLed) {
  Folding folding;
  ASSERT_TRUE(folding.create(1, "orders", 2));
  ASSERT_TRUE(folding.register_broker(1, false));
  EXPECT_EQ(folding.image.topic("orders")->partitions[1].leader_epoch, LeaderEpoch{0});
  ASSERT_TRUE(folding.register_broker(1, true));
  EXPECT_EQ(folding.image.topic("orders")->partitions[1].leader_epoch, LeaderEpoch{1});
  ASSERT_TRUE(folding.register_broker(2, true));
  EXPECT_EQ(folding.image.topic("orders")->partitions[1].leader_epoch, LeaderEpoch{1});
  EXPECT_EQ(folding.image.brokers.size(), 2u);
}

TEST(Fold, ASnapshotGivesTheSameImage) {
  Folding folding;
  ASSERT_TRUE(folding.create(1, "orders", 2));
  ASSERT_TRUE(folding.create(2, "gone"));
  ASSERT_TRUE(folding.remove(2));
  ASSERT_TRUE(folding.register_broker(1, true));
  const auto restored = decode_snapshot(encode_snapshot(folding.image), folding.image.version);
  ASSERT_TRUE(restored) << restored.error().message();
  EXPECT_EQ(encode_snapshot(*restored), encode_snapshot(folding.image));
  EXPECT_EQ(*restored->topic("orders"), *folding.image.topic("orders"));
  EXPECT_EQ(*restored->deleted_topics, std::vector<Uuid>{id_of(2)});
  EXPECT_EQ(*restored->recent_commands, *folding.image.recent_commands);
}

TEST(Fold, ASnapshotOfAVersionWithoutClustersHasABrokerThatServes) {
  cluster::MetadataSnapshot message;
  message.set_cluster_id("c");
  auto& broker = *message.add_brokers();
  broker.set_node_id(4);
  broker.set_host("host");
  const auto restored = decode_snapshot(as_bytes(message.SerializeAsString()), 9);
  ASSERT_TRUE(restored) << restored.error().message();
  ASSERT_EQ(restored->brokers.size(), 1u);
  EXPECT_EQ(restored->brokers[0].host, "host");
  EXPECT_EQ(restored->brokers[0].epoch, 0u);
  EXPECT_FALSE(restored->brokers[0].fenced);
}

TEST(Fold, ARecordOfANewerVersionIsRefused) {
  Folding folding;
  cluster::MetadataRecord record;
  // Field 99, a message of no bytes: this version knows nothing of it.
  ASSERT_TRUE(record.ParseFromString(std::string("\x9a\x06\x00", 3)));
  const auto refused = folding.fold_in(std::move(record));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Errc::unsupported);
  EXPECT_NE(refused.error().message().find(kVersion), std::string::npos);
  EXPECT_NE(refused.error().message().find("start that version here"), std::string::npos);
}

TEST(Fold, ManyChangesOfOneTopicInOneCommandAllCount) {
  Folding folding;
  ASSERT_TRUE(folding.create(1, "orders", 3));
  cluster::MetadataCommand command;
  command.set_id(text_of(id_of(9)));
  const auto before = folding.image.topic("orders");
  for (size_t i = 0; i < 3; ++i) {
    PartitionImage after = before->partitions[i];
    after.leader = NodeId{-1};
    ++after.leader_epoch;
    ++after.partition_epoch;
    *command.add_records() = partition_changed(id_of(1), i, before->partitions[i], after);
  }
  command.add_records()->mutable_partitions_added()->set_topic_id(text_of(id_of(1)));
  command.mutable_records(3)->mutable_partitions_added()->set_first(3);
  ASSERT_TRUE(folding.fold_in(command));
  const auto after = folding.image.topic("orders");
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(after->partitions[i].leader, NodeId{-1});
  EXPECT_EQ(before->partitions[0].leader, NodeId{1});
}

TEST(Fold, RefusesASnapshotThatMakesNoSense) {
  EXPECT_EQ(decode_snapshot(as_bytes("\xff\xff"), 1).error().code(), Errc::corrupt_file);
}

}  // namespace
}  // namespace sluice::broker
