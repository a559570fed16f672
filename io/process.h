#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "base/time.h"

namespace sluice::io {

// What a program in the foreground needs of its process; nothing of it belongs on a loop.

/// User and system time of all threads so far (getrusage).
Duration process_cpu_time();
/// The environment variable; nothing when it is not set.
std::optional<std::string> environment_variable(const std::string& name);

/// Raises the soft limit on open descriptors to the hard one; the limit then in force.
size_t raise_descriptor_limit();

/// How many areas of memory this process may map (vm.max_map_count).
size_t map_limit();

/// From now on SIGINT and SIGTERM only set a flag, the first time; the second ends the process as
/// if nobody caught it. A read that waits in InputStream is broken off. Writing to a closed pipe
/// becomes an error.
void catch_interrupts();
bool interrupted();

/// Blocks the calling thread, to within some 10 us (the thread's timer slack is set to its least).
void block_until(TimePoint at);

/// Runs work(0) ... work(count - 1), each on a thread of its own, and returns when all are done.
/// `work` must not throw.
void run_on_threads(size_t count, const std::function<void(size_t index)>& work);

}  // namespace sluice::io
