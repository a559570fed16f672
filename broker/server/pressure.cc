#include "broker/server/pressure.h"

#include <algorithm>

namespace sluice::broker {
namespace {

/// Percent of the cap at which a level begins.
constexpr std::array<size_t, kPressureLevels> kEnter = {0, 70, 85, 95};
constexpr size_t kHysteresis = 5;
/// A stretch in which something always waits for memory is one in which this process does, too.
constexpr double kWarningSome = 20;
constexpr double kHighAll = 10;

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

std::string_view name_of(PressureSource source) {
  switch (source) {
    case PressureSource::cap:
      return "memory.max";
    case PressureSource::clients:
      return "clients' share of memory.max";
    case PressureSource::group:
      return "control group's limit";
    case PressureSource::stalls:
      return "stalls of the system";
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

PressureLevel next_level(PressureLevel now, std::optional<double> some_stalled,
                         std::optional<double> all_stalled) {
  const auto stalls = [&](std::optional<double> share, double from, PressureLevel level) {
    return share.value_or(0) >= (now >= level ? from / 2 : from);
  };
  if (stalls(all_stalled, kHighAll, PressureLevel::high)) return PressureLevel::high;
  if (stalls(some_stalled, kWarningSome, PressureLevel::warning)) return PressureLevel::warning;
  return PressureLevel::normal;
}

PressureLevel PressureGauge::update(const PressureInputs& inputs) {
  const auto level_of = [this](PressureSource source) -> PressureLevel& {
    return levels_[static_cast<size_t>(source)];
  };
  const auto fill = [&](PressureSource source, size_t used, size_t cap) {
    level_of(source) = next_level(level_of(source), used, cap);
  };
  fill(PressureSource::cap, inputs.used, inputs.cap);
  fill(PressureSource::clients, inputs.clients_used, inputs.clients_cap);
  const io::MemoryReading& machine = inputs.machine;
  if (machine.group_limit && machine.group_held) {
    fill(PressureSource::group, *machine.group_held, *machine.group_limit);
  } else {
    level_of(PressureSource::group) = PressureLevel::normal;
  }
  auto& stalls = level_of(PressureSource::stalls);
  stalls = next_level(stalls, machine.some_stalled, machine.all_stalled);
  const auto hardest = std::ranges::max_element(levels_);
  hardest_ = static_cast<PressureSource>(hardest - levels_.begin());
  return *hardest;
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
