#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace sluice::broker {

/// How much of the memory cap is used, and with it what clients are asked to bear.
enum class PressureLevel : uint8_t { normal, warning, high, critical };
inline constexpr size_t kPressureLevels = 4;
std::string_view name_of(PressureLevel level);

/// The level for so much of the cap in use. A level is entered at 70, 85 and 95 % and left 5 %
/// below, so that it does not flap.
PressureLevel next_level(PressureLevel now, size_t used, size_t cap);

/// What a level means.
struct PressurePolicy {
  /// After a produce, and after any other client request, the connection is not read for so long.
  Duration produce_delay{0};
  Duration request_delay{0};
  /// A fetch's max_bytes is divided by it.
  size_t fetch_divisor = 1;
  bool refuse_produce = false;
  bool trim_pools = false;
  bool close_idle = false;
};
PressurePolicy policy_of(PressureLevel level);

}  // namespace sluice::broker
