#pragma once

#include <string>
#include <vector>

#include "client/cli/output.h"
#include "client/include/sluice/admin.h"

namespace sluice::cli {

/// What is not well in a cluster, most urgent first, a line each; empty when all is.
std::vector<std::string> problems_of(const client::ClusterStatus& status);

/// One screen.
Report report_of(const client::ClusterStatus& status);

}  // namespace sluice::cli
