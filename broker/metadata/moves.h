#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "broker/metadata/broker_states.h"
#include "broker/metadata/image.h"
#include "broker/metadata/topic_config.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker {

/// The partition on its way to `replicas`, the preferred leader first: it has the old ones too
/// until the new ones are in sync. Unchanged when it is on that way, or there. Errors:
/// invalid_replication when `replicas` is no set of brokers that take replicas; invalid_request
/// while another move is under way.
Result<PartitionImage> moved(const PartitionImage& before, const std::vector<NodeId>& replicas,
                             const ElectionRules& rules, const BrokerStates& states);
/// As that, but with all the old replicas also where nobody has to be waited for.
PartitionImage move_begun(const PartitionImage& before, const std::vector<NodeId>& replicas);
/// Back to the replicas of before the move. invalid_request when none is under way, or too few of
/// those replicas are in sync to have what is committed.
Result<PartitionImage> move_cancelled(const PartitionImage& before, const ElectionRules& rules,
                                      const BrokerStates& states);

/// Moves that empty the brokers that drain, as many as keep at most `at_once` under way in the
/// whole cluster; those to brokers that are away do not count. Moves to a broker that drains, too,
/// are cancelled first. Partitions that no other broker can take stay.
std::vector<cluster::MetadataRecord> drain_brokers(const MetadataImage& image,
                                                   const BrokerStates& states,
                                                   const TopicOptions& defaults, size_t at_once);

/// The moves under way that take replicas from this broker, cancelled; those that cannot be go on.
std::vector<cluster::MetadataRecord> cancel_moves_from(const MetadataImage& image, NodeId node,
                                                       const BrokerStates& states,
                                                       const TopicOptions& defaults);

size_t count_replicas(const MetadataImage& image, NodeId id);

}  // namespace sluice::broker
