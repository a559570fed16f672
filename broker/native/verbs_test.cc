#include <gmock/gmock.h>

#include "tests/support/native_world.h"

namespace sluice::broker {
namespace {

/// Every request that is neither produce nor fetch, once through the wire and back.
class Verbs : public testing::NativeWorld {
 protected:
  native::RequestHeader request() {
    native::RequestHeader header;
    header.set_correlation_id(++correlation);
    return header;
  }
  uint64_t correlation = 1000;
};

TEST_F(Verbs, CreateDescribeAlterGrowAndDeleteATopic) {
  auto socket = open();
  auto create = request();
  create.mutable_create_topic()->set_name("orders");
  create.mutable_create_topic()->set_partitions(3);
  auto& config = *create.mutable_create_topic()->add_configs();
  config.set_key("retention.ms");
  config.set_value("1000");
  const std::string id = ask(*socket, create).header.create_topic().id();
  EXPECT_EQ(id.size(), 16U);
  EXPECT_EQ(call(*socket, create)->error(), Errc::topic_exists);

  auto alter = request();
  alter.mutable_alter_topic()->mutable_topic()->set_name("orders");
  alter.mutable_alter_topic()->add_remove("retention.ms");
  ask(*socket, alter);
  auto grow = request();
  grow.mutable_add_partitions()->mutable_topic()->set_id(id);
  grow.mutable_add_partitions()->set_partitions(4);
  ask(*socket, grow);

  auto describe = request();
  describe.mutable_describe_topic()->mutable_topic()->set_name("orders");
  const auto described = ask(*socket, describe).header.describe_topic();
  EXPECT_EQ(described.id(), id);
  ASSERT_EQ(described.partitions_size(), 4);
  EXPECT_EQ(described.partitions(3).leader(), 1);
  EXPECT_GT(described.configs_size(), 10);

  auto remove = request();
  remove.mutable_delete_topic()->mutable_topic()->set_id(id);
  ask(*socket, remove);
  EXPECT_EQ(call(*socket, describe)->error(), Errc::unknown_topic_or_partition);
}

TEST_F(Verbs, TellTheMetadata) {
  const Uuid id = *broker.create("orders", 2);
  auto socket = open();
  auto all = request();
  all.mutable_metadata()->set_all(true);
  const auto cluster = ask(*socket, all).header.metadata();
  ASSERT_EQ(cluster.brokers_size(), 1);
  EXPECT_EQ(cluster.brokers(0).port(), 9092U);
  ASSERT_EQ(cluster.topics_size(), 1);
  EXPECT_EQ(cluster.topics(0).id(), as_text(id.bytes()));
  EXPECT_EQ(cluster.topics(0).partitions_size(), 2);
  EXPECT_GT(cluster.topics(0).max_message_bytes(), 0U);

  auto unknown = request();
  unknown.mutable_metadata()->add_topics()->set_name("nothing");
  const auto answer = ask(*socket, unknown).header.metadata();
  ASSERT_EQ(answer.topics_size(), 1);
  EXPECT_EQ(answer.topics(0).name(), "nothing");
  EXPECT_EQ(errc_from_wire(answer.topics(0).error().code()), Errc::unknown_topic_or_partition);
}

TEST_F(Verbs, ListOffsetsAndDeleteRecords) {
  const Uuid id = *broker.create("orders");
  for (int i = 0; i < 5; ++i) ASSERT_FALSE(broker.produce(id, "x").error);
  auto socket = open();
  auto erase = request();
  auto& target = *erase.mutable_delete_records()->add_partitions();
  target.set_topic_id(std::string(as_text(id.bytes())));
  target.set_before(3);
  EXPECT_EQ(ask(*socket, erase).header.delete_records().partitions(0).log_start(), 3);

  auto list = request();
  for (const auto special :
       {native::ListOffsetsRequest::EARLIEST, native::ListOffsetsRequest::LATEST}) {
    auto& query = *list.mutable_list_offsets()->add_partitions();
    query.set_topic_id(std::string(as_text(id.bytes())));
    query.set_special(special);
  }
  const auto offsets = ask(*socket, list).header.list_offsets();
  ASSERT_EQ(offsets.partitions_size(), 2);
  EXPECT_EQ(offsets.partitions(0).offset(), 3);
  EXPECT_EQ(offsets.partitions(1).offset(), 5);
}

TEST_F(Verbs, GiveProducersTheirIds) {
  auto socket = open();
  auto init = request();
  init.mutable_init_producer();
  const auto first = ask(*socket, init).header.init_producer();
  const auto second = ask(*socket, init).header.init_producer();
  EXPECT_EQ(second.producer_id(), first.producer_id() + 1);
}

TEST_F(Verbs, RefuseWhatMakesNoSenseAndGoOn) {
  auto socket = open();
  auto nameless = request();
  nameless.mutable_describe_topic();
  EXPECT_EQ(call(*socket, nameless)->error(), Errc::invalid_argument);
  auto short_id = request();
  short_id.mutable_list_offsets()->add_partitions()->set_topic_id("short");
  EXPECT_EQ(call(*socket, short_id)->error(), Errc::invalid_argument);
  auto metadata = request();
  metadata.mutable_metadata();
  ask(*socket, metadata);
}

}  // namespace
}  // namespace sluice::broker
