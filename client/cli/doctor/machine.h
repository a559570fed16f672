#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/system_files.h"

namespace sluice::cli::doctor {

/// A setting of the kernel of which several may be chosen.
struct KernelChoice {
  std::string in_force;
  std::vector<std::string> offered;
};

struct ResourceLimit {
  static constexpr uint64_t kUnlimited = UINT64_MAX;
  uint64_t soft = 0;
  uint64_t hard = 0;
};

struct DiskFacts {
  std::string name;
  /// Heads that have to move.
  std::optional<bool> rotational;
  std::optional<KernelChoice> scheduler;
};

/// Where a data directory lies, or will lie once it is made.
struct DirectoryFacts {
  std::string path;
  std::string mount_point;
  std::string file_system;
  std::vector<std::string> mount_options;
  /// Those below the file system; none when the kernel does not tell.
  std::vector<DiskFacts> disks;
};

struct CgroupFacts {
  /// 0: none.
  int version = 0;
  /// The least of those that bind the process, and the file that says so.
  std::optional<uint64_t> memory_limit;
  std::string limit_file;
};

struct DirtyFacts {
  uint64_t percent = 0;
  uint64_t background_percent = 0;
  /// Win over the shares unless they are 0.
  uint64_t bytes = 0;
  uint64_t background_bytes = 0;
};

/// What a machine is, as far as its kernel tells; what it does not is nothing.
struct MachineFacts {
  std::optional<uint64_t> memory;
  uint64_t swap = 0;
  size_t cores = 1;
  /// Major and minor number.
  std::optional<std::pair<int, int>> kernel;
  std::optional<ResourceLimit> open_files;
  std::optional<ResourceLimit> locked_memory;
  /// The highest limit on open files that any process may get.
  std::optional<uint64_t> open_files_most;
  std::optional<KernelChoice> huge_pages;
  std::optional<DirtyFacts> dirty;
  std::optional<uint64_t> swappiness;
  std::optional<uint64_t> max_map_count;
  std::optional<uint64_t> listen_backlog;
  /// 0: everybody may; the kernel has no such setting when it is nothing.
  std::optional<uint64_t> io_uring_disabled;
  std::optional<KernelChoice> clock_source;
  std::optional<bool> clock_synchronised;
  /// How many cores have which; none where the machine leaves it to its host.
  std::map<std::string, size_t> governors;
  size_t numa_nodes = 1;
  uint64_t zone_reclaim_mode = 0;
  CgroupFacts cgroup;
  std::vector<DirectoryFacts> directories;
};

struct MachineQuestion {
  /// "self" or a number: whose limits and cgroup.
  std::string process = "self";
  std::vector<std::string> directories;
};

/// Reads everything but the clock's state, which stands in no file.
MachineFacts read_machine(const io::SystemFiles& files, const MachineQuestion& question);

}  // namespace sluice::cli::doctor
