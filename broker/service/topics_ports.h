#pragma once

#include "base/random.h"
#include "broker/metadata/store.h"
#include "broker/metadata/topic_config.h"
#include "broker/replication/partition_set.h"
#include "broker/replication/partition_table.h"

namespace sluice::broker {

/// What Topics works with; all outlive it.
struct TopicsPorts {
  MetadataStore& store;
  PartitionSet& partitions;
  const PartitionTable& table;
  const TopicDefaults& defaults;
  Random& random;
};

}  // namespace sluice::broker
