#include "io/memory_plan.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/bytes.h"
#include "base/size_text.h"

namespace sluice::io {
namespace {

constexpr size_t kLeastAutomatic = 64_MiB;
constexpr size_t kMostAutomatic = 8_GiB;
/// For connections, frames, answers and bookkeeping of a broker that does next to nothing, and what
/// each worker keeps at hand.
constexpr size_t kLeastShare = 20_MiB;
constexpr size_t kLeastOfWorker = 1_MiB;

Error refused(const std::string& value, const std::string& why) {
  return Error(Errc::invalid_config, "memory.max = \"" + value + "\": " + why);
}

/// The whole number or decimal in front of a percent sign; nothing when it is none.
std::optional<double> percentage(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<size_t> cap_of(const std::string& wanted, const std::optional<uint64_t>& available) {
  if (wanted == "auto") {
    return std::clamp<size_t>(available.value_or(0) / 10, kLeastAutomatic, kMostAutomatic);
  }
  if (wanted.ends_with('%')) {
    const auto percent = percentage(wanted);
    if (!percent || *percent <= 0 || *percent > 90) {
      return fail(refused(wanted,
                          "a percentage is above 0 % and at most 90 %; the page cache needs "
                          "the rest"));
    }
    if (!available) {
      return fail(refused(wanted,
                          "neither the control group nor /proc/meminfo says how much memory "
                          "there is to take a percentage of; give a size, such as 1GiB"));
    }
    return static_cast<size_t>(static_cast<double>(*available) * *percent / 100);
  }
  auto bytes = parse_size(wanted);
  if (!bytes) {
    return fail(refused(wanted, "it is neither a size (512MiB), nor a percentage (25%), nor auto"));
  }
  return static_cast<size_t>(*bytes);
}

}  // namespace

size_t least_memory(size_t workers) { return kLeastShare + workers * kLeastOfWorker; }

Result<MemoryPlan> plan_memory(const std::string& wanted, size_t workers,
                               const MemoryReading& machine) {
  MemoryPlan plan;
  plan.available = machine.available();
  plan.is_group = machine.group_limit && plan.available == machine.group_limit;
  ASSIGN_OR_RETURN(plan.cap, cap_of(wanted, plan.available));
  plan.reserve = memory_reserve(plan.cap);
  const std::string size = format_size(plan.cap);
  if (const size_t least = least_memory(workers); plan.cap - plan.reserve < least) {
    return fail(refused(wanted, "of " + size + ", less a reserve of " + format_size(plan.reserve) +
                                    " for replication, too little is left: " +
                                    std::to_string(workers) + " workers need at least " +
                                    format_size(least) + "; raise memory.max or lower workers"));
  }
  if (plan.available && plan.cap >= *plan.available) {
    return fail(refused(
        wanted, size + " is all that " +
                    (plan.is_group ? "the control group's limit allows, " : "this machine has, ") +
                    format_size(*plan.available) +
                    ", and leaves nothing to the page cache; lower memory.max"));
  }
  return plan;
}

}  // namespace sluice::io
