#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {
namespace {

/// None of its replicas there can be read or written.
bool is_away(const MetadataImage& image, NodeId node) {
  const BrokerImage* broker = image.broker(node);
  return broker == nullptr || broker->fenced;
}

void put_partition(const MetadataImage& image, const PartitionImage& partition, int32_t id,
                   native::MetadataResponse::Partition& to) {
  to.set_id(id);
  to.set_leader(partition.leader.value());
  to.set_leader_epoch(partition.leader_epoch.value());
  for (const auto node : partition.replicas) to.add_replicas(node.value());
  for (const auto node : partition.in_sync) to.add_in_sync(node.value());
  for (const auto node : partition.replicas) {
    if (is_away(image, node)) to.add_offline(node.value());
  }
}

void put_topic(const MetadataImage& image, const MetadataAnswer::Topic& topic,
               native::MetadataResponse::Topic& to) {
  if (topic.error) {
    put_error(*to.mutable_error(), *topic.error);
    to.set_name(topic.asked.name);
    if (topic.asked.id) to.set_id(std::string(encode_topic_id(*topic.asked.id)));
    return;
  }
  to.set_name(topic.topic->name);
  to.set_id(std::string(encode_topic_id(topic.topic->id)));
  to.set_max_message_bytes(topic.max_message_bytes);
  int32_t id = 0;
  for (const auto& partition : topic.topic->partitions) {
    put_partition(image, partition, id++, *to.add_partitions());
  }
}

}  // namespace

io::Task<Result<>> answer_metadata(NativeCall& call) {
  const auto& request = call.request.metadata();
  std::vector<TopicRef> topics;
  topics.reserve(static_cast<size_t>(request.topics_size()));
  for (const auto& ref : request.topics()) {
    CO_ASSIGN_OR_RETURN(auto topic, decode_topic_ref(ref));
    topics.push_back(std::move(topic));
  }
  const auto& service = call.connection.services().metadata;
  const auto found = service.describe(call.connection.principal(), topics, request.all());
  auto& answer = *call.response.mutable_metadata();
  answer.set_cluster_id(found.image->cluster_id);
  answer.set_controller(found.controller.value());
  answer.set_metadata_version(found.image->version);
  for (const auto& broker : found.brokers) {
    auto& to = *answer.add_brokers();
    to.set_node_id(broker.id.value());
    to.set_host(broker.host);
    to.set_port(broker.port);
    to.set_rack(broker.rack);
  }
  for (const auto& topic : found.topics) put_topic(*found.image, topic, *answer.add_topics());
  co_return Result<>{};
}

}  // namespace sluice::broker
