#include "broker/metadata/fold.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sluice::broker {
namespace {

/// How many commands back a repeat is recognised, and how many deleted topics are remembered.
constexpr size_t kRecentCommands = 256;
constexpr size_t kDeletedTopics = 1000;

using IdList = std::shared_ptr<const std::vector<Uuid>>;

std::unexpected<Error> no_topic(const Uuid& id) {
  return fail(Errc::unknown_topic_id,
              "there is no topic with the id " + id.text() + "; it may have been deleted");
}

Result<Uuid> id_from(const std::string& bytes) {
  if (bytes.size() != Uuid::kSize) return fail(Errc::invalid_argument, "an id has 16 bytes");
  return Uuid::from_bytes(as_bytes(bytes));
}

std::string bytes_of(const Uuid& id) { return std::string(as_text(id.bytes())); }

bool contains(const IdList& list, const Uuid& id) {
  return list != nullptr && std::ranges::find(*list, id) != list->end();
}

IdList appended(const IdList& list, const Uuid& id, size_t limit) {
  std::vector<Uuid> ids;
  if (list != nullptr) {
    const size_t skip = list->size() >= limit ? list->size() - limit + 1 : 0;
    ids.assign(list->begin() + static_cast<ptrdiff_t>(skip), list->end());
  }
  ids.push_back(id);
  return std::make_shared<const std::vector<Uuid>>(std::move(ids));
}

template <class Ids>
std::vector<NodeId> nodes_from(const Ids& ids) {
  std::vector<NodeId> nodes;
  nodes.reserve(static_cast<size_t>(ids.size()));
  for (const int32_t id : ids) nodes.push_back(NodeId{id});
  return nodes;
}

PartitionImage partition_from(const cluster::PartitionAssignment& from) {
  PartitionImage to;
  to.replicas = nodes_from(from.replicas());
  to.in_sync = nodes_from(from.in_sync());
  to.eligible = nodes_from(from.eligible());
  to.adding = nodes_from(from.adding());
  to.removing = nodes_from(from.removing());
  to.partition_epoch = from.partition_epoch();
  to.leader = NodeId{from.leader()};
  to.leader_epoch = LeaderEpoch{from.leader_epoch()};
  return to;
}

void partition_to(const PartitionImage& from, cluster::PartitionAssignment& to) {
  for (const NodeId id : from.replicas) to.add_replicas(id.value());
  for (const NodeId id : from.in_sync) to.add_in_sync(id.value());
  for (const NodeId id : from.eligible) to.add_eligible(id.value());
  for (const NodeId id : from.adding) to.add_adding(id.value());
  for (const NodeId id : from.removing) to.add_removing(id.value());
  to.set_partition_epoch(from.partition_epoch);
  to.set_leader(from.leader.value());
  to.set_leader_epoch(from.leader_epoch.value());
}

/// Puts a changed topic into the image.
void put(MetadataImage& image, TopicImage topic) {
  const Uuid id = topic.id;
  image.topics.set(id, std::make_shared<const TopicImage>(std::move(topic)));
}

Result<> apply(MetadataImage& image, const cluster::ClusterCreated& record) {
  if (!image.cluster_id.empty()) return fail(Errc::already_exists);
  image.cluster_id = record.cluster_id();
  return {};
}

Result<> apply(MetadataImage& image, const cluster::BrokerRegistered& record) {
  const NodeId id{record.node_id()};
  std::erase_if(image.brokers, [&](const BrokerImage& broker) { return broker.id == id; });
  BrokerImage broker{.id = id,
                     .host = record.host(),
                     .port = static_cast<uint16_t>(record.port()),
                     .rack = record.rack()};
  const auto at = std::ranges::upper_bound(image.brokers, id, {}, &BrokerImage::id);
  image.brokers.insert(at, std::move(broker));
  if (!record.unclean()) return {};
  const auto before = image.topics;
  before.for_each([&](const Uuid&, const MetadataImage::TopicPointer& topic) {
    if (std::ranges::find(topic->partitions, id, &PartitionImage::leader) ==
        topic->partitions.end()) {
      return;
    }
    TopicImage changed = *topic;
    for (PartitionImage& partition : changed.partitions) {
      if (partition.leader == id) ++partition.leader_epoch;
    }
    put(image, std::move(changed));
  });
  return {};
}

Result<> apply(MetadataImage& image, const cluster::TopicCreated& record) {
  ASSIGN_OR_RETURN(const Uuid id, id_from(record.id()));
  if (image.topic_ids.find(record.name()) != nullptr || image.topics.find(id) != nullptr) {
    return fail(Errc::topic_exists, "topic " + record.name() +
                                        " exists already; delete it first or choose another name");
  }
  const std::string folded = folded_topic_name(record.name());
  if (const Uuid* other = image.folded_names.find(folded)) {
    return fail(Errc::invalid_topic_name,
                record.name() + ": collides with " + image.topic(*other)->name +
                    ", because '.' and '_' are the same in metric names; choose another name");
  }
  TopicImage topic{id, record.name(), {}, {}};
  for (const auto& config : record.configs()) topic.configs[config.key()] = config.value();
  for (const auto& partition : record.partitions()) {
    topic.partitions.push_back(partition_from(partition));
  }
  image.topic_ids.set(topic.name, id);
  image.folded_names.set(folded, id);
  image.partitions += topic.partitions.size();
  put(image, std::move(topic));
  return {};
}

Result<> apply(MetadataImage& image, const cluster::TopicDeleted& record) {
  ASSIGN_OR_RETURN(const Uuid id, id_from(record.id()));
  const auto topic = image.topic(id);
  if (topic == nullptr) return no_topic(id);
  image.topics.erase(id);
  image.topic_ids.erase(topic->name);
  image.folded_names.erase(folded_topic_name(topic->name));
  image.partitions -= topic->partitions.size();
  image.deleted_topics = appended(image.deleted_topics, id, kDeletedTopics);
  return {};
}

Result<> apply(MetadataImage& image, const cluster::PartitionsAdded& record) {
  ASSIGN_OR_RETURN(const Uuid id, id_from(record.topic_id()));
  const auto before = image.topic(id);
  if (before == nullptr) return no_topic(id);
  if (std::cmp_not_equal(before->partitions.size(), record.first())) {
    return fail(Errc::invalid_partitions, before->name + ": has " +
                                              std::to_string(before->partitions.size()) +
                                              " partitions by now; look again and repeat");
  }
  TopicImage topic = *before;
  for (const auto& partition : record.partitions()) {
    topic.partitions.push_back(partition_from(partition));
  }
  image.partitions += static_cast<uint64_t>(record.partitions_size());
  put(image, std::move(topic));
  return {};
}

Result<> apply(MetadataImage& image, const cluster::TopicConfigSet& record) {
  ASSIGN_OR_RETURN(const Uuid id, id_from(record.topic_id()));
  const auto before = image.topic(id);
  if (before == nullptr) return no_topic(id);
  TopicImage topic = *before;
  if (record.has_value()) {
    topic.configs[record.key()] = record.value();
  } else {
    topic.configs.erase(record.key());
  }
  put(image, std::move(topic));
  return {};
}

Result<> apply(MetadataImage& image, const cluster::ProducerIdBlock& record) {
  if (record.first() != image.next_producer_id || record.count() <= 0) {
    return fail(Errc::outcome_unknown, "the producer id block is another broker's");
  }
  image.next_producer_id += record.count();
  return {};
}

Result<> apply(MetadataImage& image, const cluster::MetadataRecord& record) {
  switch (record.record_case()) {
    case cluster::MetadataRecord::kClusterCreated:
      return apply(image, record.cluster_created());
    case cluster::MetadataRecord::kBrokerRegistered:
      return apply(image, record.broker_registered());
    case cluster::MetadataRecord::kTopicCreated:
      return apply(image, record.topic_created());
    case cluster::MetadataRecord::kTopicDeleted:
      return apply(image, record.topic_deleted());
    case cluster::MetadataRecord::kPartitionsAdded:
      return apply(image, record.partitions_added());
    case cluster::MetadataRecord::kTopicConfigSet:
      return apply(image, record.topic_config_set());
    case cluster::MetadataRecord::kProducerIdBlock:
      return apply(image, record.producer_id_block());
    case cluster::MetadataRecord::kBrokerFenced:
    case cluster::MetadataRecord::kBrokerUnfenced:
    case cluster::MetadataRecord::kBrokerDraining:
    case cluster::MetadataRecord::kBrokerRemoved:
    case cluster::MetadataRecord::kPartitionChanged:
    case cluster::MetadataRecord::RECORD_NOT_SET:
      break;
  }
  return fail(Errc::unsupported,
              "the metadata log was written by a newer version; start that version");
}

}  // namespace

Result<MetadataImage> fold(const MetadataImage& before, const cluster::MetadataCommand& command,
                           uint64_t version) {
  ASSIGN_OR_RETURN(const Uuid id, id_from(command.id()));
  if (contains(before.recent_commands, id)) return fail(Errc::already_exists);
  MetadataImage after = before;
  for (const auto& record : command.records()) RETURN_IF_ERROR(apply(after, record));
  after.version = version;
  after.recent_commands = appended(before.recent_commands, id, kRecentCommands);
  return after;
}

std::vector<std::byte> encode_snapshot(const MetadataImage& image) {
  cluster::MetadataSnapshot message;
  message.set_cluster_id(image.cluster_id);
  for (const BrokerImage& broker : image.brokers) {
    auto& to = *message.add_brokers();
    to.set_node_id(broker.id.value());
    to.set_host(broker.host);
    to.set_port(broker.port);
    to.set_rack(broker.rack);
  }
  for (const auto& topic : image.topics_by_name()) {
    auto& to = *message.add_topics()->mutable_topic();
    to.set_id(bytes_of(topic->id));
    to.set_name(topic->name);
    for (const PartitionImage& partition : topic->partitions) {
      partition_to(partition, *to.add_partitions());
    }
    for (const auto& [key, value] : topic->configs) {
      auto& config = *to.add_configs();
      config.set_key(key);
      config.set_value(value);
    }
  }
  message.set_next_producer_id(image.next_producer_id);
  if (image.deleted_topics != nullptr) {
    for (const Uuid& id : *image.deleted_topics) message.add_deleted_topics(bytes_of(id));
  }
  if (image.recent_commands != nullptr) {
    for (const Uuid& id : *image.recent_commands) message.add_recent_commands(bytes_of(id));
  }
  const std::string text = message.SerializeAsString();
  const ByteView bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

Result<MetadataImage> decode_snapshot(ByteView bytes, uint64_t version) {
  cluster::MetadataSnapshot message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Errc::corrupt_file, "the metadata snapshot does not decode");
  }
  MetadataImage image;
  image.version = version;
  image.cluster_id = message.cluster_id();
  for (const auto& broker : message.brokers()) RETURN_IF_ERROR(apply(image, broker));
  for (const auto& topic : message.topics()) RETURN_IF_ERROR(apply(image, topic.topic()));
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
