#pragma once

#include <vector>

#include "broker/metadata/broker_states.h"
#include "broker/metadata/image.h"
#include "broker/metadata/topic_config.h"

namespace sluice::broker {

inline constexpr NodeId kNoLeader{-1};

/// What the partition becomes when brokers are as `states` says; the same when nothing is to do.
/// - Who does not serve leaves the in-sync set, unless nobody of it serves.
/// - Who leaves a set that falls below min.insync.replicas stays eligible (KIP-966): nothing was
///   committed without it since.
/// - Who is damaged leaves the in-sync set too, unless all of it are; then who is eligible takes
///   over. It is never eligible.
/// - A move is over when all that come are in sync, and without those that go as many are as must
///   have what is committed.
/// - A leader that may not lead any more is replaced: by who is in sync, else by who is eligible,
///   else, where the topic allows it, by anybody; in the order of the replicas.
PartitionImage settled(const PartitionImage& before, const ElectionRules& rules,
                       const BrokerStates& states);

/// What the partition becomes when the replica of `node` is found to be damaged, or whole again;
/// the same when that is known, or it has none.
PartitionImage with_damage(const PartitionImage& before, NodeId node, bool damaged,
                           const ElectionRules& rules, const BrokerStates& states);

/// Leader moved to `leader`, which is in sync.
PartitionImage led_by(const PartitionImage& before, NodeId leader);

/// Gives a change its epochs: the leader's when there is another one or a replica went, the
/// partition's when anything changed.
void count_epochs(const PartitionImage& before, PartitionImage& after);

/// Whether these replicas may be taken from the partition: enough of the others are in sync to keep
/// the promise of min.insync.replicas for what is committed, or none of these is.
bool may_go(const PartitionImage& partition, const std::vector<NodeId>& gone,
            const ElectionRules& rules);

/// `after.in_sync` is new: who is eligible besides.
void settle_eligible(const PartitionImage& before, PartitionImage& after,
                     const ElectionRules& rules);

bool has(const std::vector<NodeId>& nodes, NodeId id);

}  // namespace sluice::broker
