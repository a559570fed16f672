#pragma once

#include <string>
#include <vector>

#include "broker/admin/http.h"
#include "storage/log_set.h"

namespace sluice::broker {

/// How far the start has come, and whether clients are served as they should be.
struct Readiness {
  bool ready = false;
  /// "starting", "joining", "recovering", "registering", "catching up", "ready", "fenced",
  /// "stopping".
  std::string state = "starting";
  /// Why it is not ready, in words.
  std::vector<std::string> reasons = {};
  storage::RecoveryProgress recovery;
};

/// 200 when ready, else 503; JSON with the reasons and the progress of recovery either way.
HttpResponse ready_page(const Readiness& readiness);

/// Whether the process works as it should; JSON with what is wrong.
struct Health {
  std::vector<storage::LogSet::Directory> directories;
  std::vector<std::string> problems;
};
/// 200, or 503 when there are problems.
HttpResponse health_page(const Health& health);

}  // namespace sluice::broker
