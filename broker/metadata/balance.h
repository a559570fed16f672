#pragma once

#include <cstdint>
#include <vector>

#include "broker/metadata/broker_states.h"
#include "broker/metadata/image.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker {

/// Leaderships that go back to the preferred replica, the first one, where it is in sync: of the
/// brokers that lead less of what they should than 100 - `percent`, up to about `bytes` of records.
std::vector<cluster::MetadataRecord> balance_leaders(const MetadataImage& image,
                                                     const BrokerStates& states, uint32_t percent,
                                                     size_t bytes);

}  // namespace sluice::broker
