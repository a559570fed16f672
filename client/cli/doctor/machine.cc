#include "client/cli/doctor/machine.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "client/cli/doctor/kernel_text.h"

namespace sluice::cli::doctor {
namespace {

using io::SystemFiles;

std::optional<uint64_t> read_number(const SystemFiles& files, std::string_view path) {
  const auto text = files.read(path);
  return text ? number_of(*text) : std::nullopt;
}

std::optional<KernelChoice> read_choice(const SystemFiles& files, std::string_view path) {
  const auto text = files.read(path);
  return text ? choice_of(*text) : std::nullopt;
}

std::optional<size_t> read_ranges(const SystemFiles& files, std::string_view path) {
  const auto text = files.read(path);
  return text ? count_of_ranges(*text) : std::nullopt;
}

void read_memory(const SystemFiles& files, MachineFacts& facts) {
  const std::string text = files.read("/proc/meminfo").value_or("");
  facts.memory = kilobytes_of(text, "MemTotal:");
  facts.swap = kilobytes_of(text, "SwapTotal:").value_or(0);
  facts.swappiness = read_number(files, "/proc/sys/vm/swappiness");
  facts.max_map_count = read_number(files, "/proc/sys/vm/max_map_count");
  facts.huge_pages = read_choice(files, "/sys/kernel/mm/transparent_hugepage/enabled");
  facts.numa_nodes = read_ranges(files, "/sys/devices/system/node/online").value_or(1);
  facts.zone_reclaim_mode = read_number(files, "/proc/sys/vm/zone_reclaim_mode").value_or(0);
  const auto percent = read_number(files, "/proc/sys/vm/dirty_ratio");
  const auto background = read_number(files, "/proc/sys/vm/dirty_background_ratio");
  if (!percent || !background) return;
  facts.dirty = DirtyFacts{
      .percent = *percent,
      .background_percent = *background,
      .bytes = read_number(files, "/proc/sys/vm/dirty_bytes").value_or(0),
      .background_bytes = read_number(files, "/proc/sys/vm/dirty_background_bytes").value_or(0)};
}

/// Of "6.18.44-fc-v669".
std::optional<std::pair<int, int>> version_of(std::string_view release) {
  const size_t dot = release.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const size_t end = std::min(release.find_first_not_of("0123456789", dot + 1), release.size());
  const auto major = number_of(release.substr(0, dot));
  const auto minor = number_of(release.substr(dot + 1, end - dot - 1));
  if (!major || !minor) return std::nullopt;
  return std::pair(static_cast<int>(*major), static_cast<int>(*minor));
}

void read_processors(const SystemFiles& files, MachineFacts& facts) {
  const std::string folder = "/sys/devices/system/cpu/";
  facts.cores = read_ranges(files, folder + "online").value_or(1);
  for (const std::string& name : files.list(folder)) {
    const auto governor = files.read(folder + name + "/cpufreq/scaling_governor");
    if (governor && name.starts_with("cpu")) ++facts.governors[*governor];
  }
  const std::string clock = "/sys/devices/system/clocksource/clocksource0/";
  if (const auto current = files.read(clock + "current_clocksource")) {
    facts.clock_source =
        KernelChoice{.in_force = *current,
                     .offered = words_of(files.read(clock + "available_clocksource").value_or(""))};
  }
}

void read_limits(const SystemFiles& files, const std::string& process, MachineFacts& facts) {
  const std::string limits = files.read("/proc/" + process + "/limits").value_or("");
  facts.open_files = limit_of(limits, "Max open files");
  facts.locked_memory = limit_of(limits, "Max locked memory");
  facts.open_files_most = read_number(files, "/proc/sys/fs/nr_open");
  facts.listen_backlog = read_number(files, "/proc/sys/net/core/somaxconn");
  facts.io_uring_disabled = read_number(files, "/proc/sys/kernel/io_uring_disabled");
  if (const auto release = files.read("/proc/sys/kernel/osrelease")) {
    facts.kernel = version_of(*release);
  }
}

/// Finds the least limit of a cgroup and those around it.
class CgroupReader {
 public:
  CgroupReader(const SystemFiles& files, const std::vector<Mount>& mounts)
      : files_(files), mounts_(mounts) {}

  CgroupFacts read(std::string_view of_process) {
    std::optional<std::string> unified;
    for (const std::string& line : lines_of(of_process)) {
      // "4:memory:/path"; the unified one is "0::/path".
      const size_t first = line.find(':');
      const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
      if (second == line.npos) continue;
      const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
      const std::string path = line.substr(second + 1);
      if (controllers.contains(",memory,")) return in_hierarchy(1, path);
      if (line.starts_with("0::")) unified = path;
    }
    return unified ? in_hierarchy(2, *unified) : CgroupFacts{};
  }

 private:
  CgroupFacts in_hierarchy(int version, const std::string& path) {
    const auto is_it = [&](const Mount& mount) {
      if (version == 2) return mount.type == "cgroup2";
      return mount.type == "cgroup" &&
             std::ranges::find(mount.options, "memory") != mount.options.end();
    };
    const auto mount = std::ranges::find_if(mounts_, is_it);
    if (mount == mounts_.end()) return {};
    facts_.version = version;
    // A container without a namespace of its own sees its path as the host does, and its own cgroup
    // alone mounted.
    std::string below = path;
    if (mount->root != "/" && lies_below(path, mount->root))
      below = path.substr(mount->root.size());
    for (;;) {
      const std::string folder = mount->mount_point + below;
      if (version == 1) note(folder + "/memory.limit_in_bytes");
      if (version == 2) note(folder + "/memory.max");
      if (version == 2) note(folder + "/memory.high");
      const size_t slash = below.rfind('/');
      if (slash == std::string::npos) break;
      below.resize(slash);
    }
    return std::move(facts_);
  }

  void note(const std::string& file) {
    const auto limit = read_number(files_, file);
    // Version 1 says "none" as the largest multiple of a page.
    if (!limit || *limit >= (uint64_t{1} << 62)) return;
    if (facts_.memory_limit && *facts_.memory_limit <= *limit) return;
    facts_.memory_limit = limit;
    facts_.limit_file = file;
  }

  const SystemFiles& files_;
  const std::vector<Mount>& mounts_;
  CgroupFacts facts_;
};

/// Finds the disks below a block device: a partition's disk, those of a volume or an array.
class DiskReader {
 public:
  explicit DiskReader(const SystemFiles& files) : files_(files) {}

  void add(const std::string& device_folder) {
    const std::string folder = files_.resolve(device_folder);
    if (!files_.exists(folder) || !seen_.insert(folder).second) return;
    const auto parts = files_.list(folder + "/slaves");
    for (const std::string& part : parts) add("/sys/class/block/" + part);
    if (!parts.empty()) return;
    if (!files_.exists(folder + "/queue")) {
      const std::string disk = folder.substr(0, folder.rfind('/'));
      if (files_.exists(disk + "/queue")) add(disk);
      return;
    }
    DiskFacts disk{.name = folder.substr(folder.rfind('/') + 1),
                   .scheduler = read_choice(files_, folder + "/queue/scheduler")};
    if (const auto rotational = read_number(files_, folder + "/queue/rotational")) {
      disk.rotational = *rotational != 0;
    }
    disks_.push_back(std::move(disk));
  }
  std::vector<DiskFacts> take() { return std::move(disks_); }

 private:
  const SystemFiles& files_;
  std::set<std::string> seen_;
  std::vector<DiskFacts> disks_;
};

DirectoryFacts read_directory(const SystemFiles& files, const std::vector<Mount>& mounts,
                              const std::string& path) {
  DirectoryFacts facts{.path = path};
  const std::string resolved = files.resolve(path);
  const Mount* holder = nullptr;
  for (const Mount& mount : mounts) {
    // Of two on the same place the later one hides the other.
    const bool nearer = holder == nullptr || mount.mount_point.size() >= holder->mount_point.size();
    if (nearer && lies_below(resolved, mount.mount_point)) holder = &mount;
  }
  if (holder == nullptr) return facts;
  facts.mount_point = holder->mount_point;
  facts.file_system = holder->type;
  facts.mount_options = holder->options;
  DiskReader disks(files);
  if (!holder->device.starts_with("0:")) {
    disks.add("/sys/dev/block/" + holder->device);
  } else if (holder->source.starts_with("/dev/")) {
    // File systems over several devices (btrfs) have none of their own.
    const std::string device = files.resolve(holder->source);
    disks.add("/sys/class/block/" + device.substr(device.rfind('/') + 1));
  }
  facts.disks = disks.take();
  return facts;
}

}  // namespace

MachineFacts read_machine(const SystemFiles& files, const MachineQuestion& question) {
  MachineFacts facts;
  read_memory(files, facts);
  read_processors(files, facts);
  read_limits(files, question.process, facts);
  const auto mounts = mounts_of(files.read("/proc/self/mountinfo").value_or(""));
  facts.cgroup = CgroupReader(files, mounts)
                     .read(files.read("/proc/" + question.process + "/cgroup").value_or(""));
  for (const std::string& path : question.directories) {
    facts.directories.push_back(read_directory(files, mounts, path));
  }
  return facts;
}

}  // namespace sluice::cli::doctor
