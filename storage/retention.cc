#include "storage/retention.h"

#include <algorithm>

namespace sluice::storage {
namespace {

Timestamp age_of(std::span<const SegmentInfo> segments) {
  const auto known = std::ranges::find_if(
      segments, [](const SegmentInfo& segment) { return segment.max_timestamp != kNoTimestamp; });
  return known == segments.end() ? kNoTimestamp : known->max_timestamp;
}

bool outlived(std::span<const SegmentInfo> from, const LogOptions& options, Timestamp now) {
  if (options.retention_ms < 0) return false;
  const Timestamp last = age_of(from);
  return last != kNoTimestamp && now - last > options.retention_ms;
}

}  // namespace

RetentionChoice choose_retention(std::span<const SegmentInfo> segments, Offset log_start,
                                 const LogOptions& options, Offset high_watermark, Timestamp now) {
  RetentionChoice choice{.new_start = log_start};
  if (!options.cleanup_delete) return choice;
  uint64_t bytes = 0;
  for (const SegmentInfo& segment : segments) bytes += segment.bytes;
  for (size_t i = 0; i < segments.size(); ++i) {
    const SegmentInfo& segment = segments[i];
    if (segment.next > high_watermark || segment.bytes == 0) break;
    const bool too_old = outlived(segments.subspan(i), options, now);
    const bool too_many = options.retention_bytes >= 0 && !segment.active &&
                          bytes - segment.bytes >= static_cast<uint64_t>(options.retention_bytes);
    if (!too_old && !too_many) break;
    choice.new_start = std::max(choice.new_start, segment.next);
    choice.roll_first = segment.active;
    bytes -= segment.bytes;
  }
  return choice;
}

io::Task<Result<Offset>> apply_retention(Log& log, Timestamp now) {
  const LogOptions options = log.options();
  const LogEnds ends = log.ends();
  if (!options.cleanup_delete || (options.retention_ms < 0 && options.retention_bytes < 0))
    co_return ends.start;
  CO_ASSIGN_OR_RETURN(const auto segments, co_await log.segments());
  const auto choice = choose_retention(segments, ends.start, options, log.high_watermark(), now);
  if (choice.new_start <= ends.start) co_return ends.start;
  if (choice.roll_first) CO_RETURN_IF_ERROR(co_await log.roll());
  CO_RETURN_IF_ERROR(co_await log.advance_start(choice.new_start));
  co_return log.ends().start;
}

}  // namespace sluice::storage
