#include "broker/metadata/warm_ups.h"

#include <cstddef>

namespace sluice::broker {
namespace {

constexpr Duration kWarmFor = std::chrono::seconds(30);
/// Of one answer to a heartbeat.
constexpr size_t kAskedAtOnce = 1000;

}  // namespace

bool WarmUps::is_ready(NodeId node, const PartitionName& partition, TimePoint now) {
  if (longest_ <= Duration::zero()) return true;
  const auto [asked, is_new] = asked_.try_emplace({node, partition}, Asked{.at = now});
  return asked->second.done || now - asked->second.at >= longest_;
}

std::vector<PartitionName> WarmUps::asked_of(NodeId node, TimePoint now) const {
  std::vector<PartitionName> names;
  for (auto at = asked_.lower_bound({node, PartitionName{}});
       at != asked_.end() && at->first.first == node && names.size() < kAskedAtOnce; ++at) {
    if (!at->second.done && now - at->second.at < longest_) names.push_back(at->first.second);
  }
  return names;
}

void WarmUps::done(NodeId node, const std::vector<PartitionName>& partitions) {
  for (const PartitionName& partition : partitions) {
    const auto asked = asked_.find({node, partition});
    if (asked != asked_.end()) asked->second.done = true;
  }
}

void WarmUps::forget_old(TimePoint now) {
  std::erase_if(asked_, [now](const auto& entry) { return now - entry.second.at >= kWarmFor; });
}

}  // namespace sluice::broker
