#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"
#include "io/memory_probe.h"

namespace sluice::broker {

/// How much of the memory cap is used, and with it what clients are asked to bear.
enum class PressureLevel : uint8_t { normal, warning, high, critical };
inline constexpr size_t kPressureLevels = 4;
std::string_view name_of(PressureLevel level);

/// What presses: the broker's own cap, the share of it that is for clients, the control group's
/// limit, or that the system waits for memory.
enum class PressureSource : uint8_t { cap, clients, group, stalls };
inline constexpr size_t kPressureSources = 4;
std::string_view name_of(PressureSource source);

/// The level for so much of the cap in use. A level is entered at 70, 85 and 95 % and left 5 %
/// below, so that it does not flap.
PressureLevel next_level(PressureLevel now, size_t used, size_t cap);

/// Stalls, in percent of the last ten seconds, tell of warning or high, never of critical: they may
/// be another process's, and what was refused here would not end them. A level is left at half of
/// what it is entered at.
PressureLevel next_level(PressureLevel now, std::optional<double> some_stalled,
                         std::optional<double> all_stalled);

struct PressureInputs {
  size_t used = 0;
  size_t cap = 1;
  size_t clients_used = 0;
  size_t clients_cap = 1;
  io::MemoryReading machine;
};

/// The level of the source that presses hardest, each with a hysteresis of its own.
class PressureGauge {
 public:
  PressureLevel update(const PressureInputs& inputs);
  PressureLevel level() const { return levels_[static_cast<size_t>(hardest_)]; }
  PressureSource hardest() const { return hardest_; }

 private:
  std::array<PressureLevel, kPressureSources> levels_{};
  PressureSource hardest_ = PressureSource::cap;
};

/// What a level means.
struct PressurePolicy {
  /// After a produce, and after any other client request, the connection is not read for so long.
  Duration produce_delay{0};
  Duration request_delay{0};
  /// A fetch's max_bytes is divided by it.
  size_t fetch_divisor = 1;
  bool refuse_produce = false;
  bool trim_pools = false;
  /// Clients that come are not served, and of those that are idle the longest give way.
  bool close_idle = false;
};
PressurePolicy policy_of(PressureLevel level);

}  // namespace sluice::broker
