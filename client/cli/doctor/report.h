#pragma once

#include <cstdint>
#include <span>

#include "client/cli/doctor/finding.h"
#include "client/cli/doctor/fit_checks.h"
#include "client/cli/doctor/machine.h"
#include "client/cli/doctor/plan.h"
#include "client/cli/output.h"

namespace sluice::cli::doctor {

/// One line a finding; with `quiet` only those that are not ok.
Report report_of(const MachineFacts& machine, const MemoryShares& shares,
                 std::span<const Finding> findings, bool quiet);
Report report_of(const Plan& plan);

size_t count_of(std::span<const Finding> findings, Verdict verdict);

}  // namespace sluice::cli::doctor
