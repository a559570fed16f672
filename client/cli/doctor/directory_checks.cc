#include "client/cli/doctor/directory_checks.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace sluice::cli::doctor {
namespace {

/// A file system's type, with all that begins so.
bool is_one_of(std::string_view type, std::initializer_list<std::string_view> kinds) {
  return std::ranges::any_of(kinds, [&](std::string_view kind) { return type.starts_with(kind); });
}

bool has(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

Finding settled(Finding finding, Verdict verdict, std::string way_out) {
  finding.verdict = verdict;
  finding.way_out = std::move(way_out);
  return finding;
}

std::string named(const DirectoryFacts& directory) {
  return directory.path +
         (directory.mount_point.empty() ? "" : " (on " + directory.mount_point + ")");
}

}  // namespace

Finding check_file_system(const DirectoryFacts& directory) {
  Finding finding{.check = "file_system",
                  .found = directory.file_system + " for " + named(directory),
                  .wanted = "xfs or ext4"};
  const std::string& type = directory.file_system;
  if (type.empty()) return not_told(finding.check, finding.wanted, "/proc/self/mountinfo");
  if (type == "xfs" || type == "ext4") return finding;
  if (is_one_of(type, {"tmpfs", "ramfs"})) {
    return settled(std::move(finding), Verdict::fail,
                   "mount a disk there: this is memory, and gone with the machine's power");
  }
  if (is_one_of(type, {"nfs", "cifs", "smb", "9p", "fuse", "ceph", "gluster", "virtiofs"})) {
    return settled(std::move(finding), Verdict::fail,
                   "mount a disk of this machine there: what a remote server calls synced, and its "
                   "locks, are not what a broker promises");
  }
  if (type == "overlay") {
    return settled(std::move(finding), Verdict::warn,
                   "mount a volume there: this layer goes with its container");
  }
  return settled(std::move(finding), Verdict::warn,
                 "mkfs.xfs on its own disk: copy on write and other file systems are not tested");
}

Finding check_mount_options(const DirectoryFacts& directory) {
  Finding finding{.check = "mount_options",
                  .found = "for " + named(directory) + ":",
                  .wanted = "rw, noatime or relatime, with barriers, not sync"};
  const auto& options = directory.mount_options;
  if (options.empty()) return not_told(finding.check, finding.wanted, "/proc/self/mountinfo");
  for (const std::string_view shown :
       {"ro", "rw", "noatime", "relatime", "nobarrier", "barrier=0", "sync"}) {
    if (has(options, shown)) finding.found.append(" ").append(shown);
  }
  const std::string remount = "mount -o remount,";
  if (has(options, "ro")) {
    return settled(std::move(finding), Verdict::fail, remount + "rw " + directory.mount_point);
  }
  if (has(options, "nobarrier") || has(options, "barrier=0")) {
    return settled(
        std::move(finding), Verdict::fail,
        remount + "barrier " + directory.mount_point + ": a power cut takes what was synced");
  }
  if (has(options, "sync")) {
    return settled(
        std::move(finding), Verdict::warn,
        remount + "async " + directory.mount_point + ": every append waits for the disk");
  }
  if (has(options, "noatime") || has(options, "relatime")) return finding;
  return settled(std::move(finding), Verdict::warn,
                 remount + "noatime " + directory.mount_point + ": every read writes");
}

Finding check_disk_kind(const DirectoryFacts& directory) {
  Finding finding{.check = "disk_kind", .found = "", .wanted = "no moving heads"};
  bool slow = false;
  bool told = false;
  for (const DiskFacts& disk : directory.disks) {
    if (!disk.rotational) continue;
    told = true;
    slow |= *disk.rotational;
    finding.found += finding.found.empty() ? "" : ", ";
    finding.found += disk.name + (*disk.rotational ? " rotates" : " is solid");
  }
  if (!told) return not_told(finding.check, finding.wanted, "the disk below " + named(directory));
  finding.found += " for " + directory.path;
  if (!slow) return finding;
  return settled(
      std::move(finding), Verdict::warn,
      "use solid disks, or log.flush = \"none\" and enough page cache: a sync takes 10 ms, "
      "and readers of old data stand in each other's way (virtual disks may say so wrongly)");
}

Finding check_io_scheduler(const DirectoryFacts& directory) {
  Finding finding{
      .check = "io_scheduler",
      .wanted = "none, mq-deadline or kyber; of a disk that rotates mq-deadline or bfq"};
  std::string way_out;
  for (const DiskFacts& disk : directory.disks) {
    if (!disk.scheduler) continue;
    const std::string& in_force = disk.scheduler->in_force;
    finding.found += finding.found.empty() ? "" : ", ";
    finding.found += in_force + " on " + disk.name;
    const bool rotates = disk.rotational.value_or(false);
    const bool fits = rotates ? is_one_of(in_force, {"mq-deadline", "bfq", "deadline", "cfq"})
                              : is_one_of(in_force, {"none", "noop", "mq-deadline", "kyber"});
    if (fits || !way_out.empty()) continue;
    way_out = std::string("echo ") + (rotates ? "mq-deadline" : "none") + " > /sys/block/" +
              disk.name + "/queue/scheduler";
  }
  if (finding.found.empty()) {
    return not_told(finding.check, finding.wanted, "the disk below " + named(directory));
  }
  if (way_out.empty()) return finding;
  return settled(std::move(finding), Verdict::warn, std::move(way_out));
}

std::vector<Finding> check_directories(const MachineFacts& machine) {
  if (machine.directories.empty()) {
    return {{.check = "data_directories",
             .verdict = Verdict::warn,
             .found = "none is named",
             .wanted = "those that the broker uses",
             .way_out = "name them with --data DIR or --config FILE, so that their disks are "
                        "looked at"}};
  }
  std::vector<Finding> findings;
  for (const DirectoryFacts& directory : machine.directories) {
    findings.push_back(check_file_system(directory));
    findings.push_back(check_mount_options(directory));
    // Memory and remote servers have no disk that could be looked at.
    if (directory.disks.empty()) continue;
    findings.push_back(check_disk_kind(directory));
    findings.push_back(check_io_scheduler(directory));
  }
  return findings;
}

}  // namespace sluice::cli::doctor
