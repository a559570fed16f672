#pragma once

#include <string>
#include <vector>

#include "client/cli/output.h"
#include "client/include/sluice/admin.h"

namespace sluice::cli {

Report report_of(const std::vector<client::MoveInfo>& moves);
/// "4: 1,204 records (3 MB)": what each replica that comes has not copied yet.
std::string left_of(const client::MoveInfo& move);

}  // namespace sluice::cli
