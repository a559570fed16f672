#pragma once

#include <vector>

#include "client/cli/doctor/broker_settings.h"
#include "client/cli/doctor/finding.h"
#include "client/cli/doctor/machine.h"

namespace sluice::cli::doctor {

// Machine facts in, findings out: what the kernel is set to, whatever the broker is told.

Finding check_huge_pages(const MachineFacts& machine);
Finding check_dirty_pages(const MachineFacts& machine);
Finding check_swap(const MachineFacts& machine);
Finding check_locked_memory(const MachineFacts& machine, const BrokerSettings& broker);
Finding check_io_uring(const MachineFacts& machine, const BrokerSettings& broker);
Finding check_clock_source(const MachineFacts& machine);
Finding check_clock(const MachineFacts& machine);
Finding check_governor(const MachineFacts& machine);
Finding check_numa(const MachineFacts& machine, const BrokerSettings& broker);

/// All of them, in that order.
std::vector<Finding> check_machine(const MachineFacts& machine, const BrokerSettings& broker);

}  // namespace sluice::cli::doctor
