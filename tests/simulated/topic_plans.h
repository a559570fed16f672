#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/simulated/history.h"

namespace sluice::sim {

/// A topic that a run writes to and reads.
struct TopicPlan {
  std::string name;
  uint32_t partitions = 1;
  uint32_t replication_factor = 1;
  Promise promise = Promise::cached;
  std::map<std::string, std::string> configs;
};

/// One topic or more for each promise that so many brokers can keep.
std::vector<TopicPlan> topic_plans(uint32_t brokers);

}  // namespace sluice::sim
