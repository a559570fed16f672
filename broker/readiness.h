#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/metadata/image.h"
#include "broker/replication/partition_table.h"

namespace sluice::broker {

/// Partitions whose replica on this broker is on its way into the in-sync set: "orders-3". Not
/// those that nobody leads or whose leader is away, that a move brings here, or whose log is not in
/// order: waiting for them would be of no use.
std::vector<std::string> catching_up(const MetadataImage& image, const PartitionTable& table,
                                     NodeId self);

/// "3 partitions: orders-0, orders-1, ..."; at most a few names.
std::string listed(const std::vector<std::string>& names, std::string_view noun);

}  // namespace sluice::broker
