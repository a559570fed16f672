#pragma once

#include <map>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"
#include "broker/metadata/image.h"
#include "broker/metadata/raft_log.h"
#include "broker/metadata/sessions.h"
#include "broker/metadata/topic_config.h"
#include "broker/replication/partition_table.h"

namespace sluice::broker {

/// What only the control loop knows, taken before each scrape.
struct ControlSight {
  RaftLog::Status log;
  bool controller = false;
  /// Empty where it is not the controller.
  std::vector<Sessions::Sight> sessions;
  /// It acknowledges; if not, why.
  bool acknowledges = true;
  /// Since the controller answered.
  Duration unanswered{};
};

/// The series of replication: totals of this broker, for each partition that it leads how far each
/// follower is behind, and the partitions that are not well by name. Series of partitions come with
/// their trouble and go with it, so that a cluster that is well has few. Thread-safe.
std::vector<MetricFamily> partition_metrics(const MetadataImage& image, const PartitionTable& table,
                                            const TopicDefaults& defaults, NodeId self,
                                            TimePoint now);

/// Of the metadata's log, the sessions and the controller.
std::vector<MetricFamily> control_metrics(const MetadataImage& image, const ControlSight& sight);

}  // namespace sluice::broker
