#include "broker/metadata/snapshot_codec.h"

#include <algorithm>
#include <string>
#include <utility>

#include "broker/metadata/fold_draft.h"
#include "broker/metadata/partition_codec.h"

namespace sluice::broker {
namespace {

void put_broker(const BrokerImage& broker, cluster::MetadataSnapshot::Broker& to) {
  auto& registration = *to.mutable_registration();
  registration.set_node_id(broker.id.value());
  registration.set_host(broker.host);
  registration.set_port(broker.port);
  registration.set_rack(broker.rack);
  registration.set_incarnation(bytes_of(broker.incarnation));
  registration.set_directory_id(bytes_of(broker.directory_id));
  to.set_epoch(broker.epoch);
  to.set_fenced(broker.fenced);
  to.set_draining(broker.draining);
}

Result<BrokerImage> broker_from(const cluster::BrokerRegistered& registration) {
  BrokerImage broker{.id = NodeId{registration.node_id()},
                     .host = registration.host(),
                     .port = static_cast<uint16_t>(registration.port()),
                     .rack = registration.rack()};
  if (!registration.incarnation().empty()) {
    ASSIGN_OR_RETURN(broker.incarnation, id_from(registration.incarnation()));
  }
  if (!registration.directory_id().empty()) {
    ASSIGN_OR_RETURN(broker.directory_id, id_from(registration.directory_id()));
  }
  return broker;
}

Result<std::vector<BrokerImage>> brokers_from(const cluster::MetadataSnapshot& message) {
  std::vector<BrokerImage> brokers;
  // Versions without clusters knew one broker, which was never fenced.
  for (const auto& registration : message.brokers()) {
    ASSIGN_OR_RETURN(brokers.emplace_back(), broker_from(registration));
  }
  for (const auto& state : message.broker_states()) {
    ASSIGN_OR_RETURN(BrokerImage broker, broker_from(state.registration()));
    broker.epoch = state.epoch();
    broker.fenced = state.fenced();
    broker.draining = state.draining();
    brokers.push_back(std::move(broker));
  }
  std::ranges::sort(brokers, {}, &BrokerImage::id);
  return brokers;
}

void put_topic(const TopicImage& topic, cluster::TopicCreated& to) {
  to.set_id(bytes_of(topic.id));
  to.set_name(topic.name);
  for (const PartitionImage& partition : topic.partitions) {
    partition_to(partition, *to.add_partitions());
  }
  for (const auto& [key, value] : topic.configs) {
    auto& config = *to.add_configs();
    config.set_key(key);
    config.set_value(value);
  }
}

}  // namespace

std::vector<std::byte> encode_snapshot(const MetadataImage& image) {
  cluster::MetadataSnapshot message;
  message.set_cluster_id(image.cluster_id);
  for (const BrokerImage& broker : image.brokers) put_broker(broker, *message.add_broker_states());
  for (const auto& topic : image.topics_by_name()) {
    put_topic(*topic, *message.add_topics()->mutable_topic());
  }
  message.set_next_producer_id(image.next_producer_id);
  if (image.lineage != Lineage{}) {
    message.set_recoveries(image.lineage.recoveries);
    message.set_recovery_id(bytes_of(image.lineage.id));
  }
  if (image.deleted_topics != nullptr) {
    for (const Uuid& id : *image.deleted_topics) message.add_deleted_topics(bytes_of(id));
  }
  if (image.recent_commands != nullptr) {
    for (const Uuid& id : *image.recent_commands) message.add_recent_commands(bytes_of(id));
  }
  std::vector<std::byte> bytes(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(bytes.data()));
  return bytes;
}

Result<MetadataImage> decode_snapshot(ByteView bytes, uint64_t version) {
  cluster::MetadataSnapshot message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Errc::corrupt_file, "the metadata snapshot does not decode");
  }
  MetadataImage empty;
  FoldDraft draft(empty, version);
  for (const auto& topic : message.topics()) RETURN_IF_ERROR(fold_record(draft, topic.topic()));
  MetadataImage image = draft.take();
  image.cluster_id = message.cluster_id();
  if (message.recoveries() != 0) {
    image.lineage.recoveries = message.recoveries();
    ASSIGN_OR_RETURN(image.lineage.id, id_from(message.recovery_id()));
  }
  ASSIGN_OR_RETURN(image.brokers, brokers_from(message));
  image.next_producer_id = message.next_producer_id();
  for (const std::string& text : message.deleted_topics()) {
    ASSIGN_OR_RETURN(const Uuid id, id_from(text));
    image.deleted_topics = appended(image.deleted_topics, id, kDeletedTopics);
  }
  for (const std::string& text : message.recent_commands()) {
    ASSIGN_OR_RETURN(const Uuid id, id_from(text));
    image.recent_commands = appended(image.recent_commands, id, kRecentCommands);
  }
  return image;
}

}  // namespace sluice::broker
