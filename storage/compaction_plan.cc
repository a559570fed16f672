#include "storage/compaction_plan.h"

#include <algorithm>
#include <limits>

namespace sluice::storage {
namespace {

constexpr size_t kIndexEntry = 12;  // of the time index, the larger one

bool may_be_compacted(const SegmentInfo& segment, const LogOptions& options, Offset bound,
                      Timestamp now) {
  const bool young = options.min_compaction_lag_ms.count() > 0 &&
                     now - segment.max_timestamp < options.min_compaction_lag_ms.count();
  return !segment.active && segment.next <= bound && !young;
}

uint64_t index_bytes(uint64_t bytes, const LogOptions& options) {
  return bytes / std::max<size_t>(options.index_interval_bytes, 1) * kIndexEntry + kIndexEntry;
}

}  // namespace

std::optional<CompactionPlan> plan_compaction(std::span<const SegmentInfo> segments,
                                              const LogOptions& options, Offset cleaned_end,
                                              Offset bound, Timestamp now) {
  CompactionPlan plan;
  uint64_t clean = 0, dirty = 0;
  for (const SegmentInfo& segment : segments) {
    if (!may_be_compacted(segment, options, bound, now)) break;
    ++plan.end;
    if (segment.next <= cleaned_end) {
      plan.first_dirty = plan.end;
      clean += segment.bytes;
    } else {
      dirty += segment.bytes;
    }
  }
  if (dirty == 0) return std::nullopt;
  plan.dirty_start = std::max(cleaned_end, segments[plan.first_dirty].base);
  plan.dirty_ratio = static_cast<double>(dirty) / static_cast<double>(clean + dirty);
  if (plan.dirty_ratio < options.min_cleanable_dirty_ratio) return std::nullopt;
  return plan;
}

std::vector<CompactionGroup> group_segments(std::span<const SegmentInfo> segments,
                                            const std::vector<bool>& alone,
                                            const LogOptions& options) {
  std::vector<CompactionGroup> groups;
  uint64_t bytes = 0;
  for (size_t i = 0; i < segments.size(); ++i) {
    bytes += segments[i].bytes;
    const bool fits = !groups.empty() && !alone[i] && !alone[groups.back().first] &&
                      bytes <= options.segment_bytes &&
                      index_bytes(bytes, options) <= options.segment_index_bytes &&
                      segments[i].next - segments[groups.back().first].base <=
                          std::numeric_limits<int32_t>::max();
    if (fits) {
      ++groups.back().count;
    } else {
      groups.push_back({.first = i, .count = 1});
      bytes = segments[i].bytes;
    }
  }
  return groups;
}

}  // namespace sluice::storage
