#pragma once

#include <string>

#include "base/result.h"
#include "broker/metadata/quorum_recovery.h"
#include "broker/options.h"
#include "io/runtime.h"

namespace sluice::broker {

/// `sluiced recover-quorum`.
struct RecoverCommand {
  /// Of the cluster that is meant; typed by who means it.
  std::string cluster_id;
  bool yes = false;
};

/// What would be done, and what may be lost by it.
std::string describe(const QuorumPlan& plan);

/// Shows the plan on `out`, and follows it with `yes`. Errors: those of QuorumRecovery;
/// wrong_cluster when another cluster's id was given; invalid_argument without `yes`, after the
/// plan was shown.
io::Task<Result<>> recover_quorum(io::Runtime& runtime, const BrokerOptions& options,
                                  RecoverCommand command, std::string& out);

}  // namespace sluice::broker
