#pragma once

#include <string>

#include "base/result.h"
#include "client/cli/output.h"

namespace sluice::cli {

/// One screen of a broker's page /memory; `address` is where it was read. malformed_frame when it
/// lacks what every broker tells.
Result<Report> report_of_memory(const Json& page, const std::string& address);

}  // namespace sluice::cli
