#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/cli/doctor/machine.h"

namespace sluice::cli::doctor {

// The forms in which Linux writes things into /proc and /sys.

std::vector<std::string> words_of(std::string_view text);
std::vector<std::string> lines_of(std::string_view text);
std::optional<uint64_t> number_of(std::string_view text);
/// "always [madvise] never".
std::optional<KernelChoice> choice_of(std::string_view text);
/// How many "0-3,8" are.
std::optional<size_t> count_of_ranges(std::string_view text);
/// The number behind `name` in lines such as "MemTotal:  24684084 kB", times 1,024.
std::optional<uint64_t> kilobytes_of(std::string_view text, std::string_view name);
/// The row "Max open files  1024  524288  files" of a process's limits.
std::optional<ResourceLimit> limit_of(std::string_view text, std::string_view name);

/// A line of /proc/PID/mountinfo.
struct Mount {
  /// "8:1".
  std::string device;
  /// What of the file system is mounted: "/", or a folder of it.
  std::string root;
  std::string mount_point;
  std::string type;
  std::string source;
  /// Of the mount and of the file system.
  std::vector<std::string> options;
};
std::vector<Mount> mounts_of(std::string_view mountinfo);

/// Whether `path` is `folder` or lies in it.
bool lies_below(std::string_view path, std::string_view folder);

}  // namespace sluice::cli::doctor
