#pragma once

#include <vector>

#include "client/cli/doctor/finding.h"
#include "client/cli/doctor/machine.h"

namespace sluice::cli::doctor {

// What lies below a data directory. Machine facts in, findings out.

Finding check_file_system(const DirectoryFacts& directory);
Finding check_mount_options(const DirectoryFacts& directory);
Finding check_disk_kind(const DirectoryFacts& directory);
Finding check_io_scheduler(const DirectoryFacts& directory);

/// Of all directories; that there is none is a finding, too.
std::vector<Finding> check_directories(const MachineFacts& machine);

}  // namespace sluice::cli::doctor
