#pragma once

#include "base/bytes.h"
#include "client/cli/doctor/broker_settings.h"
#include "client/cli/doctor/machine.h"

namespace sluice::cli::doctor {

/// For tests: a machine that a broker of production-small has nothing to complain of.
inline MachineFacts well_kept_machine() {
  return {.memory = 16_GiB,
          .cores = 4,
          .kernel = std::pair(6, 1),
          .open_files = ResourceLimit{1'024, 524'288},
          .locked_memory = ResourceLimit{8_MiB, 8_MiB},
          .open_files_most = 1'048'576,
          .huge_pages = KernelChoice{"madvise", {"always", "madvise", "never"}},
          .dirty = DirtyFacts{.percent = 20, .background_percent = 10},
          .swappiness = 60,
          .max_map_count = 65'530,
          .listen_backlog = 4'096,
          .io_uring_disabled = 0,
          .clock_source = KernelChoice{"tsc", {"tsc", "hpet"}},
          .clock_synchronised = true,
          .governors = {{"performance", 4}},
          .cgroup = {.version = 2},
          .directories = {{.path = "/data",
                           .mount_point = "/data",
                           .file_system = "xfs",
                           .mount_options = {"rw", "noatime"},
                           .disks = {{.name = "nvme0n1",
                                      .rotational = false,
                                      .scheduler = KernelChoice{"none", {"none", "kyber"}}}}}}};
}

/// For tests: the keys of production-small.
inline BrokerSettings small_broker() {
  return {.data_directories = {"/data"},
          .memory = 4_GiB,
          .connections = 1'000,
          .partitions = 2'000,
          .open_files = 10'000};
}

}  // namespace sluice::cli::doctor
