#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "broker/metadata/broker_states.h"
#include "broker/metadata/image.h"
#include "broker/metadata/warm_ups.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker {

using IsReady = std::function<bool(const PartitionName&, NodeId leader)>;

/// Leaderships that go back to the preferred replica, the first one, where it is in sync: of the
/// brokers that lead less of what they should than 100 - `percent`, up to about `bytes` of records.
/// Without those that `is_ready` says may not be led there yet.
std::vector<cluster::MetadataRecord> balance_leaders(const MetadataImage& image,
                                                     const BrokerStates& states, uint32_t percent,
                                                     size_t bytes,
                                                     const IsReady& is_ready = nullptr);

}  // namespace sluice::broker
