#pragma once

#include <compare>
#include <map>
#include <utility>
#include <vector>

#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"

namespace sluice::broker {

struct PartitionName {
  Uuid topic_id;
  PartitionId partition{0};
  auto operator<=>(const PartitionName&) const = default;
};

/// Brokers that are about to lead partitions by plan read them in first, so that their first
/// fetches find them in memory: who was asked, and who is done. Nobody is waited for longer than a
/// bound. Time is handed in.
class WarmUps {
 public:
  /// 0: nobody is asked.
  explicit WarmUps(Duration longest) : longest_(longest) {}

  /// Whether the broker may take over: it has read the partition in, or had its time to. Else it is
  /// asked to from now on.
  bool is_ready(NodeId node, const PartitionName& partition, TimePoint now);
  /// What the broker is to read in, not too much at once.
  std::vector<PartitionName> asked_of(NodeId node, TimePoint now) const;
  void done(NodeId node, const std::vector<PartitionName>& partitions);
  /// What was read in long ago may have gone since.
  void forget_old(TimePoint now);

 private:
  struct Asked {
    TimePoint at;
    bool done = false;
  };
  const Duration longest_;
  std::map<std::pair<NodeId, PartitionName>, Asked> asked_;
};

}  // namespace sluice::broker
