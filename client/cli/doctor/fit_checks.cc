#include "client/cli/doctor/fit_checks.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/size_text.h"
#include "client/cli/doctor/profile.h"
#include "io/memory_plan.h"

namespace sluice::cli::doctor {
namespace {

/// Of a segment that is written and read: its log and two indexes, and maps of the indexes.
constexpr uint64_t kFilesOfAPartition = 3;
constexpr uint64_t kMapsOfAPartition = 2;
/// Loops, rings, the metadata log, consensus, checkpoints.
constexpr uint64_t kDescriptorsOfTheProcess = 256;
/// Libraries, stacks, the allocator's arenas.
constexpr uint64_t kMapsOfTheProcess = 1'024;
/// What the allocator holds beyond what it was asked for is at most this share of the cap.
constexpr uint64_t kOverheadDivisor = 10;
/// What the broker listens with.
constexpr uint64_t kBacklog = 4'096;

uint64_t less(uint64_t from, uint64_t what) { return from - std::min(from, what); }
uint64_t parts(uint64_t whole, uint64_t part) { return (whole + part - 1) / part; }

/// A key's value that may be written into a file: whole steps of 64 MiB.
std::string memory_key(uint64_t bytes) {
  return std::string(kMemoryKey) + " = \"" +
         format_size(std::max<uint64_t>(bytes / 64_MiB, 1) * 64_MiB) + "\"";
}

Finding settled(Finding finding, Verdict verdict, std::string way_out) {
  finding.verdict = verdict;
  finding.way_out = std::move(way_out);
  return finding;
}

}  // namespace

MemoryShares share_memory(const MachineFacts& machine, const BrokerSettings& broker) {
  if (!machine.memory) return {};
  MemoryShares shares{.broker = broker.memory, .system = system_share(*machine.memory)};
  shares.page_cache = less(*machine.memory, shares.system + shares.broker);
  if (machine.cgroup.memory_limit) {
    const uint64_t process = shares.broker + shares.broker / kOverheadDivisor;
    shares.page_cache = std::min(shares.page_cache, less(*machine.cgroup.memory_limit, process));
  }
  return shares;
}

uint64_t descriptors_needed(uint64_t connections, uint64_t open_files) {
  // The broker takes no more than half of the limit for files: those that its cache has closed may
  // be in use still.
  return std::max(2 * open_files, open_files + connections + kDescriptorsOfTheProcess);
}

uint64_t maps_needed(uint64_t partitions, uint64_t index_maps, uint64_t memory) {
  return std::min(kMapsOfAPartition * partitions, index_maps) + memory / 1_MiB + kMapsOfTheProcess;
}

Finding check_memory(const MachineFacts& machine, const BrokerSettings& broker) {
  Finding finding{.check = "memory"};
  if (!machine.memory) return not_told(finding.check, "what the cap fits", "/proc/meminfo");
  const MemoryShares shares = share_memory(machine, broker);
  finding.found = std::string(kMemoryKey) + " " + size_text(shares.broker) + " of " +
                  size_text(*machine.memory);
  finding.wanted = "at most " + size_text(less(*machine.memory, shares.system)) + ", so that " +
                   size_text(shares.system) + " are left to the system";
  const size_t workers = broker.workers != 0 ? broker.workers : machine.cores;
  const uint64_t least = io::least_memory(workers);
  if (less(shares.broker, io::memory_reserve(shares.broker)) < least) {
    finding.wanted = size_text(least) + " beside the reserve for replication, for workers = " +
                     std::to_string(workers);
    // Of which the reserve takes an eighth.
    return settled(std::move(finding), Verdict::fail,
                   memory_key(parts(least * 8 / 7, 64_MiB) * 64_MiB) +
                       ", or fewer workers: the broker does not start");
  }
  const std::string way_out = memory_key(broker_share(*machine.memory));
  if (shares.broker + shares.system > *machine.memory) {
    return settled(std::move(finding), Verdict::fail, way_out + ", or a larger machine");
  }
  if (shares.page_cache < shares.broker) {
    finding.wanted = "at most half of what the system leaves: the rest is page cache";
    return settled(std::move(finding), Verdict::warn, way_out);
  }
  return finding;
}

Finding check_cgroup(const MachineFacts& machine, const BrokerSettings& broker) {
  const CgroupFacts& cgroup = machine.cgroup;
  Finding finding{.check = "cgroup",
                  .found = cgroup.version == 0 ? "none" : "v" + std::to_string(cgroup.version),
                  .wanted = "no limit, or one with room for the cap"};
  if (!cgroup.memory_limit) {
    finding.found += cgroup.version == 0 ? "" : ", no limit on memory";
    return finding;
  }
  const uint64_t process = broker.memory + broker.memory / kOverheadDivisor;
  finding.found += ", " + size_text(*cgroup.memory_limit) + " (" + cgroup.limit_file + ")";
  finding.wanted = "at least " + size_text(process) + ": the cap and a tenth; more is page cache";
  if (*cgroup.memory_limit >= process) return finding;
  return settled(std::move(finding), Verdict::fail,
                 memory_key(*cgroup.memory_limit / 4) +
                     ", or a higher limit: else the kernel kills the broker before it refuses");
}

Finding check_page_cache(const MachineFacts& machine, const BrokerSettings& broker,
                         std::optional<uint64_t> ingest) {
  Finding finding{.check = "page_cache",
                  .wanted = format_count(kGoalSeconds) + " s of what is written"};
  if (!machine.memory) return not_told(finding.check, finding.wanted, "/proc/meminfo");
  const uint64_t cache = share_memory(machine, broker).page_cache;
  finding.found = size_text(cache);
  if (cache == 0) {
    return settled(
        std::move(finding), Verdict::fail,
        memory_key(broker_share(*machine.memory)) + ": consumers would read everything from disks");
  }
  if (!ingest) {
    finding.found += ", that is " + format_count(kGoalSeconds) + " s of " +
                     format_rough_size(cache / kGoalSeconds) + "/s (try --ingest RATE)";
    return finding;
  }
  finding.found +=
      ", that is " + format_count(cache / *ingest) + " s of " + format_rough_size(*ingest) + "/s";
  if (cache / *ingest >= kGoalSeconds) return finding;
  const uint64_t needed = *ingest * kGoalSeconds;
  return settled(std::move(finding), Verdict::warn,
                 size_text(needed) + " of page cache: spread the partitions over " +
                     std::to_string(parts(needed, cache)) +
                     " such brokers, or take larger machines, or let producers compress");
}

Finding check_descriptors(const MachineFacts& machine, const BrokerSettings& broker) {
  const uint64_t connections = broker.connections + broker.admin_connections;
  const uint64_t needed = descriptors_needed(connections, broker.open_files);
  Finding finding{.check = "descriptors",
                  .wanted = format_count(needed) + " for " + format_count(connections) +
                            " connections and files.open.max " + format_count(broker.open_files) +
                            " (at most half of the limit)"};
  if (!machine.open_files) return not_told(finding.check, finding.wanted, "/proc/self/limits");
  const uint64_t limit = machine.open_files->hard;
  finding.found = limit == ResourceLimit::kUnlimited ? "no limit" : format_count(limit);
  if (limit >= needed) return finding;
  std::string way_out = "LimitNOFILE=" + std::to_string(needed) + " in the unit, or ulimit -Hn";
  if (machine.open_files_most && *machine.open_files_most < needed) {
    way_out = "sysctl -w fs.nr_open=" + std::to_string(needed) + ", " + way_out;
  }
  // With less the broker keeps fewer files open; that clients find no descriptor is worse.
  const bool clients_fit = limit >= connections + kDescriptorsOfTheProcess;
  return settled(std::move(finding), clients_fit ? Verdict::warn : Verdict::fail,
                 way_out + "; or less of connections.limit and files.open.max");
}

Finding check_open_files(const BrokerSettings& broker) {
  const uint64_t needed = kFilesOfAPartition * broker.partitions;
  Finding finding{.check = "open_files",
                  .found = "files.open.max " + format_count(broker.open_files),
                  .wanted = format_count(needed) + " for max.partitions " +
                            format_count(broker.partitions) + ", all of them in use"};
  if (broker.open_files >= needed) return finding;
  return settled(std::move(finding), Verdict::warn,
                 "files.open.max = " + std::to_string(needed) + ", or max.partitions = " +
                     std::to_string(broker.open_files / kFilesOfAPartition) +
                     ": else files are opened again and again");
}

Finding check_maps(const MachineFacts& machine, const BrokerSettings& broker) {
  const uint64_t needed = maps_needed(broker.partitions, broker.index_maps, broker.memory);
  Finding finding{.check = "max_map_count",
                  .wanted = format_count(needed) + " for max.partitions " +
                            format_count(broker.partitions) + ", index.maps.max " +
                            format_count(broker.index_maps) + " and the cap"};
  if (!machine.max_map_count) {
    return not_told(finding.check, finding.wanted, "/proc/sys/vm/max_map_count");
  }
  finding.found = format_count(*machine.max_map_count);
  if (*machine.max_map_count >= needed) return finding;
  // The broker keeps to half of it and maps the others when they are looked at.
  return settled(
      std::move(finding), Verdict::warn,
      "sysctl -w vm.max_map_count=" + std::to_string(std::max<uint64_t>(needed, 262'144)));
}

Finding check_backlog(const MachineFacts& machine) {
  Finding finding{.check = "listen_backlog", .wanted = format_count(kBacklog)};
  if (!machine.listen_backlog) {
    return not_told(finding.check, finding.wanted, "/proc/sys/net/core/somaxconn");
  }
  finding.found = format_count(*machine.listen_backlog);
  if (*machine.listen_backlog >= kBacklog) return finding;
  return settled(std::move(finding), Verdict::warn,
                 "sysctl -w net.core.somaxconn=" + std::to_string(kBacklog) +
                     ": clients that all come back at once wait for a second try");
}

std::vector<Finding> check_fit(const MachineFacts& machine, const BrokerSettings& broker,
                               std::optional<uint64_t> ingest) {
  return {check_memory(machine, broker),
          check_cgroup(machine, broker),
          check_page_cache(machine, broker, ingest),
          check_descriptors(machine, broker),
          check_open_files(broker),
          check_maps(machine, broker),
          check_backlog(machine)};
}

}  // namespace sluice::cli::doctor
