#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "io/memory_probe.h"

namespace sluice::io {

/// How a broker shares the memory of its machine with the page cache.
struct MemoryPlan {
  /// The cap on all that the broker takes for itself, in bytes.
  size_t cap = 0;
  /// The part of it that only consensus, replication and what else brokers say to each other may
  /// use.
  size_t reserve = 0;
  /// What there is to share; nothing: unknown.
  std::optional<uint64_t> available;
  /// Whether that is a control group's limit, not the machine's RAM.
  bool is_group = false;

  /// What is left for the page cache; 0: unknown, or nothing.
  uint64_t page_cache() const { return available && *available > cap ? *available - cap : 0; }
};

/// The reserve of such a cap.
constexpr size_t memory_reserve(size_t cap) { return cap / 8; }

/// What the cap less the reserve must at least be.
size_t least_memory(size_t workers);

/// What `memory.max` comes to on a machine: a size, a percentage of what there is, or "auto", a
/// tenth of that, from 64 MiB to 8 GiB. invalid_config names the value, what is wrong with it here,
/// and the way out: a cap below least_memory() or above what there is, a percentage of an unknown
/// whole, a text that is no size.
Result<MemoryPlan> plan_memory(const std::string& wanted, size_t workers,
                               const MemoryReading& machine);

}  // namespace sluice::io
