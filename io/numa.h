#pragma once

#include <cstddef>

namespace sluice::io::numa {

/// Memory nodes that this process may use; 1 where the machine has one or the kernel does not tell.
size_t node_count();

/// Binds the calling thread to the `index`-th core it may run on (round robin when there are fewer)
/// and, when there are several nodes, its future allocations to that core's node. Best effort.
void bind_thread_to_core(size_t index);

}  // namespace sluice::io::numa
