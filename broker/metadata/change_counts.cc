#include "broker/metadata/change_counts.h"

#include <algorithm>

#include "broker/metadata/elections.h"
#include "broker/metadata/partition_codec.h"

namespace sluice::broker {
namespace {

/// Whether some of `these` are not among `those`.
bool has_others(const std::vector<NodeId>& these, const std::vector<NodeId>& those) {
  return std::ranges::any_of(these, [&](NodeId id) { return !has(those, id); });
}

void count_change(const PartitionImage& before, const PartitionImage& after, ChangeCounts& counts) {
  if (after.leader != before.leader && after.leader != kNoLeader) {
    ++counts.elections;
    const bool clean = has(before.in_sync, after.leader) || has(before.eligible, after.leader);
    counts.unclean_elections += clean ? 0 : 1;
  }
  counts.shrinks += has_others(before.in_sync, after.in_sync) ? 1 : 0;
  counts.expands += has_others(after.in_sync, before.in_sync) ? 1 : 0;
}

}  // namespace

ChangeCounts count_changes(const MetadataImage& before, const MetadataRecords& records) {
  ChangeCounts counts;
  for (const auto& record : records) {
    if (!record.has_partition_changed()) continue;
    const auto& changed = record.partition_changed();
    const std::string& id = changed.topic_id();
    if (id.size() != Uuid::kSize) continue;
    const auto topic = before.topic(Uuid::from_bytes(as_bytes(id)));
    const auto index = static_cast<size_t>(changed.partition());
    if (topic == nullptr || index >= topic->partitions.size()) continue;
    count_change(topic->partitions[index], partition_from(changed.to()), counts);
  }
  return counts;
}

ControllerMetrics::ControllerMetrics(MetricsRegistry& registry)
    : elections_(registry.counter("controller_elections_total",
                                  "Partition leaders that this broker elected as controller.")),
      unclean_elections_(registry.counter(
          "controller_unclean_elections_total",
          "Leaders elected from outside of the in-sync and eligible sets: records may be lost.")),
      shrinks_(registry.counter("controller_in_sync_shrinks_total",
                                "In-sync sets that replicas left, as decided by this broker.")),
      expands_(registry.counter("controller_in_sync_expands_total",
                                "In-sync sets that replicas joined, as decided by this broker.")) {}

void ControllerMetrics::add(size_t worker, const ChangeCounts& counts) {
  elections_.add(worker, counts.elections);
  unclean_elections_.add(worker, counts.unclean_elections);
  shrinks_.add(worker, counts.shrinks);
  expands_.add(worker, counts.expands);
}

}  // namespace sluice::broker
