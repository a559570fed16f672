#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace sluice::cli::doctor {

/// What a cluster is to bear.
struct Load {
  /// Bytes a second that producers send, as they are stored: compressed.
  uint64_t rate = 0;
  Duration retention{};
  uint64_t partitions = 0;
  uint64_t replication = 0;
  /// 0: as many as there are replicas.
  uint64_t brokers = 0;
  uint64_t producers = 0;
  uint64_t consumers = 0;
};

/// One value of a plan and how it came about.
struct PlanRow {
  /// As in JSON: "disk_bytes".
  std::string key;
  std::string title;
  uint64_t number = 0;
  /// The number as people read it.
  std::string text;
  std::string because;
};

/// What each broker of a cluster needs.
struct Plan {
  std::string profile;
  std::string profile_because;
  std::vector<PlanRow> rows;
  /// "max.partitions = 20000": what the file must say beyond the profile.
  std::vector<std::string> keys;
};

/// invalid_argument when the load makes no sense, or is more than so many brokers can bear with any
/// profile; it names the way out.
Result<Plan> make_plan(const Load& load);

}  // namespace sluice::cli::doctor
