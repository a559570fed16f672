#include "client/cli/doctor/machine_checks.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sluice::cli::doctor {
namespace {

constexpr uint64_t kMostBackgroundPercent = 10;
/// Written back when a broker stops or a disk is asked to sync: some seconds of a fast device.
constexpr uint64_t kMostBackground = 4_GiB;
constexpr uint64_t kMostSwappiness = 10;
/// Before it, the kernel counted the rings of io_uring as locked memory.
constexpr std::pair kRingsAreFree{5, 12};
/// 256 entries of a ring, and their completions.
constexpr uint64_t kRingBytes = 32_KiB;

/// `value` sets it now; a file in /etc/sysctl.d keeps it over a restart.
std::string sysctl(std::string_view name, uint64_t value) {
  return "sysctl -w " + std::string(name) + "=" + std::to_string(value);
}

Finding settled(Finding finding, Verdict verdict, std::string way_out) {
  finding.verdict = verdict;
  finding.way_out = std::move(way_out);
  return finding;
}

}  // namespace

Finding check_huge_pages(const MachineFacts& machine) {
  constexpr std::string_view kFile = "/sys/kernel/mm/transparent_hugepage/enabled";
  Finding finding{.check = "huge_pages", .wanted = "madvise or never"};
  if (!machine.huge_pages) return not_told(finding.check, finding.wanted, kFile);
  finding.found = machine.huge_pages->in_force;
  if (finding.found != "always") return finding;
  return settled(std::move(finding), Verdict::warn,
                 "echo madvise > " + std::string(kFile) +
                     ": huge pages make the process larger than its memory.max says");
}

Finding check_dirty_pages(const MachineFacts& machine) {
  Finding finding{.check = "dirty_pages",
                  .wanted = "writing begins at no more than " +
                            std::to_string(kMostBackgroundPercent) + " % of the memory and " +
                            size_text(kMostBackground) + ", writers wait at twice that"};
  if (!machine.dirty) return not_told(finding.check, finding.wanted, "/proc/sys/vm/dirty_ratio");
  if (!machine.memory) return not_told(finding.check, finding.wanted, "/proc/meminfo");
  const DirtyFacts& dirty = *machine.dirty;
  const uint64_t percent = std::max<uint64_t>(*machine.memory / 100, 1);
  const uint64_t begins =
      dirty.background_bytes != 0 ? dirty.background_bytes : percent * dirty.background_percent;
  const uint64_t waits = dirty.bytes != 0 ? dirty.bytes : percent * dirty.percent;
  finding.found = "begins at " + size_text(begins) + ", waits at " + size_text(waits);
  if (begins > std::min(percent * kMostBackgroundPercent, kMostBackground)) {
    // Whole percents are too coarse for a large machine.
    const bool by_percent = percent * kMostBackgroundPercent <= kMostBackground;
    return settled(std::move(finding), Verdict::warn,
                   by_percent ? sysctl("vm.dirty_background_ratio", kMostBackgroundPercent)
                              : sysctl("vm.dirty_background_bytes", kMostBackground));
  }
  if (waits < 2 * begins) {
    const uint64_t enough = 2 * begins;
    return settled(std::move(finding), Verdict::warn,
                   dirty.bytes != 0 ? sysctl("vm.dirty_bytes", enough)
                                    : sysctl("vm.dirty_ratio", (enough + percent - 1) / percent));
  }
  return finding;
}

Finding check_swap(const MachineFacts& machine) {
  Finding finding{.check = "swap",
                  .found = "none",
                  .wanted = "none, or vm.swappiness of at most " + std::to_string(kMostSwappiness)};
  if (machine.swap == 0) return finding;
  finding.found = size_text(machine.swap) + ", vm.swappiness ";
  finding.found += machine.swappiness ? std::to_string(*machine.swappiness) : "not known";
  if (machine.swappiness && *machine.swappiness <= kMostSwappiness) return finding;
  return settled(std::move(finding), Verdict::warn,
                 sysctl("vm.swappiness", 1) +
                     ": else the broker's memory makes room for more page cache, and waits for it");
}

Finding check_locked_memory(const MachineFacts& machine, const BrokerSettings& broker) {
  const bool counts =
      broker.disk_backend != "threads" && (!machine.kernel || *machine.kernel < kRingsAreFree);
  const uint64_t needed = counts ? (machine.cores + 1) * kRingBytes : 0;
  Finding finding{.check = "memlock",
                  .wanted = counts ? size_text(needed) + " for the rings of io_uring"
                                   : "nothing: the broker locks no memory"};
  if (!machine.locked_memory) {
    return not_told(finding.check, finding.wanted, "/proc/self/limits");
  }
  const uint64_t limit = machine.locked_memory->hard;
  finding.found = limit == ResourceLimit::kUnlimited ? "unlimited" : size_text(limit);
  if (limit >= needed) return finding;
  return settled(std::move(finding), Verdict::warn,
                 "LimitMEMLOCK=" + std::to_string(needed) +
                     " in the unit, or ulimit -l; else it uses a pool of threads");
}

Finding check_io_uring(const MachineFacts& machine, const BrokerSettings& broker) {
  Finding finding{.check = "io_uring", .found = "allowed", .wanted = "allowed"};
  if (broker.disk_backend == "threads") {
    finding.found = "not used (disk.backend = \"threads\")";
    return finding;
  }
  if (machine.io_uring_disabled.value_or(0) == 0) return finding;
  finding.found = "kernel.io_uring_disabled = " + std::to_string(*machine.io_uring_disabled);
  return settled(std::move(finding), Verdict::warn,
                 sysctl("kernel.io_uring_disabled", 0) + ", or disk.backend = \"threads\"");
}

Finding check_clock_source(const MachineFacts& machine) {
  // Those that a process reads without a call of the system.
  static constexpr std::array<std::string_view, 5> kFast = {
      "tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "riscv_clocksource"};
  static constexpr std::string_view kFile =
      "/sys/devices/system/clocksource/clocksource0/current_clocksource";
  Finding finding{.check = "clock_source", .wanted = "tsc, or another that is read without a call"};
  if (!machine.clock_source) return not_told(finding.check, finding.wanted, kFile);
  finding.found = machine.clock_source->in_force;
  if (std::ranges::find(kFast, finding.found) != kFast.end()) return finding;
  const auto& offered = machine.clock_source->offered;
  const auto better = std::ranges::find_first_of(offered, kFast);
  std::string way_out = better == offered.end()
                            ? "boot with clocksource=tsc, or ask who runs the virtual machine"
                            : "echo " + *better + " > " + std::string(kFile);
  return settled(std::move(finding), Verdict::warn, std::move(way_out));
}

Finding check_clock(const MachineFacts& machine) {
  Finding finding{.check = "clock", .found = "synchronised", .wanted = "synchronised"};
  if (machine.clock_synchronised.value_or(false)) return finding;
  finding.found = machine.clock_synchronised ? "not synchronised" : "not known";
  return settled(std::move(finding), Verdict::warn,
                 "run chrony or systemd-timesyncd: the times of records and retention by time go "
                 "by this clock");
}

Finding check_governor(const MachineFacts& machine) {
  Finding finding{.check = "cpu_governor",
                  .found = "the machine has none",
                  .wanted = "performance or schedutil"};
  if (machine.governors.empty()) return finding;
  finding.found.clear();
  bool slow = false;
  for (const auto& [governor, cores] : machine.governors) {
    finding.found += finding.found.empty() ? "" : ", ";
    finding.found += governor + " on " + std::to_string(cores);
    slow |= governor != "performance" && governor != "schedutil";
  }
  if (!slow) return finding;
  return settled(std::move(finding), Verdict::warn,
                 "cpupower frequency-set -g performance: a core that wakes up slowly shows in the "
                 "latency");
}

Finding check_numa(const MachineFacts& machine, const BrokerSettings& broker) {
  Finding finding{
      .check = "numa",
      .found = std::to_string(machine.numa_nodes) + (machine.numa_nodes == 1 ? " node" : " nodes"),
      .wanted = "one node; of several, workers bound and vm.zone_reclaim_mode 0"};
  if (machine.numa_nodes <= 1) return finding;
  finding.found += ", pin.workers = " + std::string(broker.pin_workers ? "true" : "false") +
                   ", vm.zone_reclaim_mode " + std::to_string(machine.zone_reclaim_mode);
  if (machine.zone_reclaim_mode != 0) {
    return settled(
        std::move(finding), Verdict::warn,
        sysctl("vm.zone_reclaim_mode", 0) + ": else the page cache is no larger than one node");
  }
  if (broker.pin_workers) return finding;
  return settled(std::move(finding), Verdict::warn, "pin.workers = true");
}

std::vector<Finding> check_machine(const MachineFacts& machine, const BrokerSettings& broker) {
  return {check_huge_pages(machine),
          check_dirty_pages(machine),
          check_swap(machine),
          check_locked_memory(machine, broker),
          check_io_uring(machine, broker),
          check_clock_source(machine),
          check_clock(machine),
          check_governor(machine),
          check_numa(machine, broker)};
}

}  // namespace sluice::cli::doctor
