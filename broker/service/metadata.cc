#include "broker/service/metadata.h"

#include <utility>

#include "broker/metadata/store.h"
#include "broker/metadata/topic_config.h"

namespace sluice::broker {

std::vector<NodeId> MetadataAnswer::offline(const PartitionImage& partition) const {
  std::vector<NodeId> nodes;
  for (const NodeId id : partition.replicas) {
    const BrokerImage* broker = image->broker(id);
    if (broker == nullptr || broker->fenced) nodes.push_back(id);
  }
  return nodes;
}

MetadataAnswer::Topic Metadata::describe_topic(MetadataImage::TopicPointer topic) const {
  MetadataAnswer::Topic answer;
  const auto options = topic_options(defaults_.options, topic->configs);
  const storage::LogOptions& log = options ? options->log : defaults_.options.log;
  answer.max_message_bytes = static_cast<uint32_t>(log.max_message_bytes);
  answer.topic = std::move(topic);
  return answer;
}

Result<> Metadata::check_broker(NodeId node, uint64_t epoch) const {
  const auto image = store_.image();
  const BrokerImage* known = image->broker(node);
  if (known != nullptr && known->epoch == epoch) return {};
  const std::string name =
      "broker " + std::to_string(node.value()) + " in its epoch " + std::to_string(epoch);
  if (known != nullptr && epoch < known->epoch) {
    return fail(Errc::fenced_leader_epoch,
                name + " was started again since: this is an old " + "connection of it");
  }
  return fail(Errc::recovering, name + " is not known here yet; try again");
}

MetadataAnswer Metadata::describe(const Principal& /*principal*/, std::span<const TopicRef> topics,
                                  bool all) const {
  MetadataAnswer answer{.image = store_.image(),
                        .controller = store_.controller().value_or(NodeId{-1})};
  answer.brokers = answer.image->brokers;
  if (all) {
    for (auto& topic : answer.image->topics_by_name()) {
      answer.topics.push_back(describe_topic(std::move(topic)));
    }
    return answer;
  }
  for (const TopicRef& ref : topics) {
    auto topic = ref.id ? answer.image->topic(*ref.id) : answer.image->topic(ref.name);
    if (topic != nullptr) {
      answer.topics.push_back(describe_topic(std::move(topic)));
      continue;
    }
    MetadataAnswer::Topic missing;
    missing.asked = ref;
    missing.error = unknown_topic(ref);
    answer.topics.push_back(std::move(missing));
  }
  return answer;
}

}  // namespace sluice::broker
