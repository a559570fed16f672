#include "io/numa.h"

#include <numa.h>
#include <pthread.h>
#include <sched.h>

namespace sluice::io::numa {

size_t node_count() {
  // In a container the policy calls may be forbidden: then there is one node as far as we care.
  if (numa_available() < 0) return 1;
  const int nodes = numa_num_task_nodes();
  return nodes > 0 ? static_cast<size_t>(nodes) : 1;
}

void bind_thread_to_core(size_t index) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  const auto count = static_cast<size_t>(CPU_COUNT(&allowed));
  if (count == 0) return;
  int core = -1;
  for (size_t left = index % count + 1; left > 0; --left) {
    do ++core;
    while (!CPU_ISSET(core, &allowed));
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  pthread_setaffinity_np(pthread_self(), sizeof one, &one);
  if (node_count() > 1) numa_set_preferred(numa_node_of_cpu(core));
}

}  // namespace sluice::io::numa
