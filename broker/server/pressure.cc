#include "broker/server/pressure.h"

namespace sluice::broker {
namespace {

/// Percent of the cap at which a level begins.
constexpr std::array<size_t, kPressureLevels> kEnter = {0, 70, 85, 95};
constexpr size_t kHysteresis = 5;

}  // namespace

std::string_view name_of(PressureLevel level) {
  switch (level) {
    case PressureLevel::normal:
      return "normal";
    case PressureLevel::warning:
      return "warning";
    case PressureLevel::high:
      return "high";
    case PressureLevel::critical:
      return "critical";
  }
}

PressureLevel next_level(PressureLevel now, size_t used, size_t cap) {
  const auto reached = [&](size_t percent) {
    return static_cast<double>(used) * 100 >=
           static_cast<double>(cap) * static_cast<double>(percent);
  };
  auto level = static_cast<size_t>(now);
  while (level + 1 < kPressureLevels && reached(kEnter[level + 1])) ++level;
  while (level > 0 && !reached(kEnter[level] - kHysteresis)) --level;
  return static_cast<PressureLevel>(level);
}

PressurePolicy policy_of(PressureLevel level) {
  switch (level) {
    case PressureLevel::normal:
      return {};
    case PressureLevel::warning:
      return {.produce_delay = 10ms, .trim_pools = true};
    case PressureLevel::high:
      return {.produce_delay = 100ms, .fetch_divisor = 2, .trim_pools = true};
    case PressureLevel::critical:
      return {.produce_delay = 100ms,
              .request_delay = 500ms,
              .fetch_divisor = 2,
              .refuse_produce = true,
              .trim_pools = true,
              .close_idle = true};
  }
}

}  // namespace sluice::broker
