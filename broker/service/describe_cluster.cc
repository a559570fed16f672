#include "broker/service/describe_cluster.h"

#include <algorithm>
#include <map>

namespace sluice::broker {
namespace {

bool has(const std::vector<NodeId>& nodes, NodeId node) {
  return std::ranges::find(nodes, node) != nodes.end();
}

}  // namespace

bool is_behind(const PartitionImage& partition, NodeId broker) {
  return has(partition.replicas, broker) && !has(partition.in_sync, broker) &&
         !has(partition.adding, broker);
}

PartitionHealth health_of(const PartitionImage& partition, int32_t min_in_sync) {
  const auto least = std::min(static_cast<size_t>(min_in_sync), partition.replicas.size());
  return {.under_replicated = std::ranges::any_of(
              partition.replicas, [&](NodeId node) { return is_behind(partition, node); }),
          .under_min_in_sync = partition.in_sync.size() < least,
          .offline = partition.leader.value() < 0,
          .moving = !partition.adding.empty() || !partition.removing.empty(),
          .damaged = !partition.damaged.empty()};
}

namespace {

constexpr size_t kNamesShown = 5;

void count(bool so, const TopicImage& topic, size_t index, ClusterDescription::Some& some) {
  if (!so) return;
  ++some.count;
  if (some.names.size() == kNamesShown) return;
  some.names.push_back(topic.name + "-" + std::to_string(index));
}

void count(const PartitionHealth& health, const TopicImage& topic, size_t index,
           ClusterDescription& cluster) {
  ++cluster.partitions;
  count(health.under_replicated, topic, index, cluster.under_replicated);
  count(health.under_min_in_sync, topic, index, cluster.under_min_in_sync);
  count(health.offline, topic, index, cluster.offline);
  count(health.moving, topic, index, cluster.moving);
  count(health.damaged, topic, index, cluster.damaged);
}

}  // namespace

ClusterDescription describe_cluster(const MetadataImage& image, const TopicDefaults& defaults) {
  ClusterDescription cluster;
  std::map<NodeId, ClusterDescription::Broker> brokers;
  for (const BrokerImage& broker : image.brokers) brokers[broker.id].image = broker;
  image.topics.for_each([&](const Uuid&, const MetadataImage::TopicPointer& topic) {
    const int32_t least = election_rules(defaults.options, topic->configs).min_in_sync;
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionImage& partition = topic->partitions[i];
      count(health_of(partition, least), *topic, i, cluster);
      for (const NodeId node : partition.replicas) {
        const auto broker = brokers.find(node);
        if (broker == brokers.end()) continue;
        ++broker->second.replicas;
        broker->second.behind += is_behind(partition, node) ? 1 : 0;
        broker->second.leaders += partition.leader == node ? 1 : 0;
      }
    }
  });
  for (auto& [node, broker] : brokers) cluster.brokers.push_back(std::move(broker));
  return cluster;
}

}  // namespace sluice::broker
