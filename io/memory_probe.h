#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::io {

/// What the machine says of memory; nothing where it does not tell.
struct MemoryReading {
  /// Bytes of RAM.
  std::optional<uint64_t> machine;
  /// The tightest limit of the control groups that this process is in, in bytes.
  std::optional<uint64_t> group_limit;
  /// What that group holds and the kernel cannot take back by dropping page cache, in bytes.
  std::optional<uint64_t> group_held;
  /// Percent of the last ten seconds in which some, or all, of what wanted to run waited for memory
  /// (pressure stall information, Documentation/accounting/psi.rst of Linux): of the group where
  /// the kernel keeps that apart, else of the machine.
  std::optional<double> some_stalled;
  std::optional<double> all_stalled;

  /// What there is to share between this process and the page cache; nothing: unknown.
  std::optional<uint64_t> available() const {
    if (!machine) return group_limit;
    return group_limit && *group_limit < *machine ? group_limit : machine;
  }
};

/// Where a process learns how its machine stands for memory. Any thread may ask; an answer takes
/// some 50 us and blocks on nothing.
class MemoryProbe {
 public:
  virtual ~MemoryProbe() = default;
  virtual MemoryReading read() = 0;
};

/// Of /proc and of /sys/fs/cgroup, control groups of either version.
class SystemMemory final : public MemoryProbe {
 public:
  /// `root` stands in front of every path: a tree that a test made.
  explicit SystemMemory(std::string root = {});
  MemoryReading read() override;

 private:
  struct Group {
    uint64_t limit = 0;
    std::string usage, stat, stalls;
    bool is_v1 = false;
  };
  std::optional<Group> tightest_group() const;

  const std::string root_;
};

}  // namespace sluice::io
