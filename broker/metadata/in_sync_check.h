#pragma once

#include "base/result.h"
#include "broker/metadata/broker_states.h"
#include "broker/metadata/image.h"
#include "broker/metadata/in_sync_change.h"
#include "broker/metadata/topic_config.h"

namespace sluice::broker {

/// The partition with the in-sync set that `from`, its leader, asks for; as it is when it has that
/// set already: the answer to an earlier request was lost. Errors: not_leader; fenced_leader_epoch
/// (the leader epoch or the partition epoch is an older one); unknown_leader_epoch;
/// invalid_request; not_enough_replicas when a broker that is fenced, stops or has a damaged
/// replica would come in.
Result<PartitionImage> with_in_sync(const PartitionImage& before, const InSyncChange& change,
                                    NodeId from, const ElectionRules& rules,
                                    const BrokerStates& states);

}  // namespace sluice::broker
