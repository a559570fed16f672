#include "broker/metadata/balance.h"

#include <unordered_map>
#include <utility>

#include "broker/metadata/elections.h"
#include "broker/metadata/partition_codec.h"

namespace sluice::broker {
namespace {

struct Share {
  uint64_t preferred = 0;
  uint64_t elsewhere = 0;
};

/// Who should lead: nobody while replicas are moved, or there is no leader to take over from.
NodeId preferred_of(const PartitionImage& partition) {
  const bool moves = !partition.adding.empty() || !partition.removing.empty();
  if (moves || partition.leader == kNoLeader || partition.replicas.empty()) return kNoLeader;
  return partition.replicas.front();
}

}  // namespace

std::vector<cluster::MetadataRecord> balance_leaders(const MetadataImage& image,
                                                     const BrokerStates& states, uint32_t percent,
                                                     size_t bytes, const IsReady& is_ready) {
  std::unordered_map<NodeId, Share> shares;
  image.topics.for_each([&](const Uuid&, const MetadataImage::TopicPointer& topic) {
    for (const PartitionImage& partition : topic->partitions) {
      const NodeId id = preferred_of(partition);
      if (id == kNoLeader) continue;
      Share& share = shares[id];
      ++share.preferred;
      share.elsewhere += partition.leader != id;
    }
  });
  std::vector<cluster::MetadataRecord> records;
  size_t size = 0;
  image.topics.for_each([&](const Uuid& id, const MetadataImage::TopicPointer& topic) {
    for (size_t i = 0; i < topic->partitions.size() && size < bytes; ++i) {
      const PartitionImage& partition = topic->partitions[i];
      const NodeId wanted = preferred_of(partition);
      if (wanted == kNoLeader || wanted == partition.leader) continue;
      if (!has(partition.in_sync, wanted) || !states.may_lead(wanted)) continue;
      const Share& share = shares[wanted];
      if (share.elsewhere * 100 <= share.preferred * percent) continue;
      const PartitionName name{id, PartitionId{static_cast<int32_t>(i)}};
      if (is_ready && !is_ready(name, wanted)) continue;
      records.push_back(partition_changed(id, i, partition, led_by(partition, wanted)));
      size += records.back().ByteSizeLong();
    }
  });
  return records;
}

}  // namespace sluice::broker
