#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "client/cli/doctor/broker_settings.h"
#include "client/cli/doctor/finding.h"
#include "client/cli/doctor/machine.h"

namespace sluice::cli::doctor {

// Whether what a broker is told fits the machine. Facts in, findings out.

/// How long what is written should stay in the page cache: readers that are later read from disks.
constexpr uint64_t kGoalSeconds = 3'600;

/// Who gets which part of the memory; all 0 when the machine does not tell how much it has.
struct MemoryShares {
  uint64_t broker = 0;
  uint64_t system = 0;
  /// What is left, of the machine or of the cgroup.
  uint64_t page_cache = 0;
};
MemoryShares share_memory(const MachineFacts& machine, const BrokerSettings& broker);

/// Descriptors at once: clients, open files, and what the process itself needs.
uint64_t descriptors_needed(uint64_t connections, uint64_t open_files);
/// Maps at once: of indexes, buffers and the process itself.
uint64_t maps_needed(uint64_t partitions, uint64_t index_maps, uint64_t memory);

Finding check_memory(const MachineFacts& machine, const BrokerSettings& broker);
Finding check_cgroup(const MachineFacts& machine, const BrokerSettings& broker);
/// `ingest`: bytes a second that are written to the broker, as a leader and as a follower.
Finding check_page_cache(const MachineFacts& machine, const BrokerSettings& broker,
                         std::optional<uint64_t> ingest);
Finding check_descriptors(const MachineFacts& machine, const BrokerSettings& broker);
Finding check_open_files(const BrokerSettings& broker);
Finding check_maps(const MachineFacts& machine, const BrokerSettings& broker);
Finding check_backlog(const MachineFacts& machine);

/// All of them, in that order.
std::vector<Finding> check_fit(const MachineFacts& machine, const BrokerSettings& broker,
                               std::optional<uint64_t> ingest);

}  // namespace sluice::cli::doctor
