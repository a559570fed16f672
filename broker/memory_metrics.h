#pragma once

#include <vector>

#include "base/metrics.h"
#include "broker/admin/memory_page.h"
#include "broker/leak_watch.h"

namespace sluice::broker {

/// What is measured against the load for leaks: each node's own bytes, and what is unattributed.
LeakSample leak_sample(const MemorySight& sight, LeakScales scales);

/// A series for each node that is suspected to leak now.
MetricFamily leak_metrics(const std::vector<Leak>& suspects);

/// The series of a broker's memory: each node of the budget tree by its path below the root, the
/// process, what nobody accounts for, and the buffer pools.
std::vector<MetricFamily> memory_metrics(const MemorySight& sight);

}  // namespace sluice::broker
