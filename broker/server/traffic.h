#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::broker {

/// `control` is what keeps the cluster alive (replication, sessions, heartbeats): it has memory of
/// its own and is never delayed.
enum class TrafficClass : uint8_t { client, control };
inline constexpr size_t kTrafficClasses = 2;

}  // namespace sluice::broker
