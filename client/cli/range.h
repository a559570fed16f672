#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "client/cli/bound.h"
#include "client/include/sluice/client.h"

namespace sluice::cli {

/// Where reading of one partition begins, and the first offset that is no longer read.
struct PartitionRange {
  PartitionId partition{0};
  Offset start{0};
  Offset stop{0};
};

/// `stop` of a partition that is read for ever.
inline constexpr Offset kNever{INT64_MAX};

/// What `--from` and `--until` mean for each partition of the topic now, in two or three requests;
/// for `partitions` only, unless it is empty. A time that lies in the future is kNever.
/// unknown_topic_or_partition names a partition that is missing.
Result<std::vector<PartitionRange>> resolve_ranges(client::Admin& admin, const std::string& topic,
                                                   const std::vector<int32_t>& partitions,
                                                   const Bound& from,
                                                   const std::optional<Bound>& until,
                                                   Timestamp now);

}  // namespace sluice::cli
