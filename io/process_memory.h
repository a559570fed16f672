#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "io/disk.h"
#include "io/task.h"

namespace sluice::io {

// What the system and the allocator say of this process's memory; sizes in bytes.

struct ProcessMemory {
  /// Heap, pools and stacks that were touched (RssAnon).
  size_t resident_anonymous = 0;
  /// The program's own files, and memory that is shared (RssFile, RssShmem).
  size_t resident_file = 0;
  /// Addresses that are taken (VmSize).
  size_t address_space = 0;
  /// Of these, what can be written and is not shared, touched or not: heap, pools and stacks
  /// (VmData, VmStk). The rest is files, and addresses that the allocator only set aside.
  size_t mapped = 0;
  size_t swapped = 0;
};

/// The text of /proc/self/status; `unsupported` names the line that it lacks.
Result<ProcessMemory> parse_process_status(std::string_view text);
/// An error where the system does not tell: not all have /proc.
Task<Result<ProcessMemory>> process_memory(Disk& disk);

/// Since the process began. `major` had to wait for a disk.
struct PageFaults {
  uint64_t major = 0;
  uint64_t minor = 0;
};
PageFaults page_faults();

/// What malloc has given out, keeps for later, and how much of what it has given out are mappings
/// of their own. Nothing in a build whose sanitizer brings its own malloc.
struct AllocatorUse {
  size_t in_use = 0;
  size_t free = 0;
  size_t mapped = 0;
};
AllocatorUse allocator_use();

}  // namespace sluice::io
