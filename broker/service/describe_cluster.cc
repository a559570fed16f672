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
          .moving = !partition.adding.empty() || !partition.removing.empty()};
}

ClusterDescription describe_cluster(const MetadataImage& image, const TopicDefaults& defaults) {
  ClusterDescription cluster;
  std::map<NodeId, ClusterDescription::Broker> brokers;
  for (const BrokerImage& broker : image.brokers) brokers[broker.id].image = broker;
  image.topics.for_each([&](const Uuid&, const MetadataImage::TopicPointer& topic) {
    const int32_t least = election_rules(defaults.options, topic->configs).min_in_sync;
    for (const PartitionImage& partition : topic->partitions) {
      ++cluster.partitions;
      const PartitionHealth health = health_of(partition, least);
      for (const NodeId node : partition.replicas) {
        const auto broker = brokers.find(node);
        if (broker == brokers.end()) continue;
        ++broker->second.replicas;
        broker->second.behind += is_behind(partition, node) ? 1 : 0;
        broker->second.leaders += partition.leader == node ? 1 : 0;
      }
      cluster.under_replicated += health.under_replicated ? 1 : 0;
      cluster.under_min_in_sync += health.under_min_in_sync ? 1 : 0;
      cluster.offline += health.offline ? 1 : 0;
      cluster.moving += health.moving ? 1 : 0;
    }
  });
  for (auto& [node, broker] : brokers) cluster.brokers.push_back(std::move(broker));
  return cluster;
}

}  // namespace sluice::broker
