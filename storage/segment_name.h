#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/strong.h"

namespace sluice::storage {

// What the files of a segment are called, as Kafka calls them: the base offset in 20 digits and one
// of these; a producer snapshot carries the offset that it was taken at.
inline constexpr std::string_view kLogSuffix = ".log";
inline constexpr std::string_view kIndexSuffix = ".index";
inline constexpr std::string_view kTimeIndexSuffix = ".timeindex";
inline constexpr std::string_view kAbortedIndexSuffix = ".txnindex";
inline constexpr std::string_view kSnapshotSuffix = ".snapshot";
/// Behind the name of a file that waits to be removed.
inline constexpr std::string_view kDeletedSuffix = ".deleted";

/// "<folder>/00000000000000000042.log"
std::string segment_path(std::string_view folder, Offset offset, std::string_view suffix);

struct SegmentName {
  Offset offset{0};
  /// With its dot; whatever follows the digits.
  std::string_view suffix;
};
/// Empty for a name that does not begin with 20 digits and a dot. Views `name`.
std::optional<SegmentName> parse_segment_name(std::string_view name);

}  // namespace sluice::storage
