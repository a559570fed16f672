#include "broker/service/describe_cluster.h"

#include <algorithm>
#include <map>

namespace sluice::broker {
namespace {

bool has(const std::vector<NodeId>& nodes, NodeId node) {
  return std::ranges::find(nodes, node) != nodes.end();
}

}  // namespace

ClusterDescription describe_cluster(const MetadataImage& image, const TopicDefaults& defaults) {
  ClusterDescription cluster;
  std::map<NodeId, ClusterDescription::Broker> brokers;
  for (const BrokerImage& broker : image.brokers) brokers[broker.id].image = broker;
  image.topics.for_each([&](const Uuid&, const MetadataImage::TopicPointer& topic) {
    const auto options = topic_options(defaults.options, topic->configs);
    const auto least =
        static_cast<size_t>((options ? *options : defaults.options).min_insync_replicas);
    for (const PartitionImage& partition : topic->partitions) {
      ++cluster.partitions;
      bool whole = true;
      for (const NodeId node : partition.replicas) {
        const bool behind = !has(partition.in_sync, node) && !has(partition.adding, node);
        whole &= !behind;
        const auto broker = brokers.find(node);
        if (broker == brokers.end()) continue;
        ++broker->second.replicas;
        broker->second.behind += behind ? 1 : 0;
        broker->second.leaders += partition.leader == node ? 1 : 0;
      }
      cluster.under_replicated += whole ? 0 : 1;
      cluster.under_min_in_sync +=
          partition.in_sync.size() < std::min(least, partition.replicas.size()) ? 1 : 0;
      cluster.offline += partition.leader.value() < 0 ? 1 : 0;
      cluster.moving += partition.adding.empty() && partition.removing.empty() ? 0 : 1;
    }
  });
  for (auto& [node, broker] : brokers) cluster.brokers.push_back(std::move(broker));
  return cluster;
}

}  // namespace sluice::broker
