#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer_pool.h"
#include "base/memory_budget.h"
#include "broker/admin/http.h"
#include "broker/server/addresses.h"
#include "io/process_memory.h"

namespace sluice::broker {

/// A broker's memory at one moment; sizes in bytes.
struct MemorySight {
  /// A node of the budget tree.
  struct Part {
    std::string name;
    size_t used = 0;
    size_t cap = 0;
    size_t peak = 0;
    uint64_t refusals = 0;
    std::vector<Part> children = {};
  };
  /// A partition that remembers producers, and what they are charged with.
  struct Partition {
    std::string topic;
    int32_t partition = 0;
    size_t producers = 0;
    size_t bytes = 0;
  };

  Part budget;
  /// Nothing where the system does not tell.
  std::optional<io::ProcessMemory> process;
  io::PageFaults faults;
  io::AllocatorUse allocator;
  BufferPool::Stats pools;
  /// Of coroutines that are alive; not in the tree.
  size_t frames = 0;
  /// Anonymous memory that was resident when the ports were open and nothing was served yet, beyond
  /// the tree and the frames of that moment: what a broker takes whatever it does.
  size_t at_start = 0;
  /// Who holds most, largest first.
  std::vector<AddressUse> addresses;
  std::vector<Partition> partitions;
};

/// The tree as it is now. On the thread that adds to it.
MemorySight::Part part_of(const MemoryBudget& budget);

/// The root by its name, and every node below it by its path from there: "storage/compaction".
void for_each_part(
    const MemorySight::Part& root,
    const std::function<void(const std::string& path, const MemorySight::Part& part)>& look);

/// Resident anonymous memory that nobody accounts for: beyond the tree, the frames and what there
/// was at the start; 0 when these are more, as what is reserved may not be touched yet. Nothing
/// where the system does not tell what is resident.
std::optional<size_t> unattributed(const MemorySight& sight);

/// All of it as JSON.
HttpResponse memory_page(const MemorySight& sight);

}  // namespace sluice::broker
