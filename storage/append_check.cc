#include "storage/append_check.h"

#include <algorithm>
#include <string>

#include "proto/record/compression.h"
#include "proto/record/validate.h"

namespace sluice::storage {
namespace {

Result<> check_timestamps(const record::BatchFacts& facts, Timestamp now,
                          const LogOptions& options) {
  // A record without a timestamp is as old as can be and allowed, as in Kafka.
  if (facts.max_timestamp.value() < 0) return {};
  const bool too_late =
      facts.max_timestamp > now && facts.max_timestamp - now > options.timestamp_after_max_ms;
  const bool too_early = facts.min_timestamp.value() >= 0 && facts.min_timestamp < now &&
                         now - facts.min_timestamp > options.timestamp_before_max_ms;
  if (!too_late && !too_early) return {};
  return fail(Errc::invalid_timestamp,
              "timestamp " +
                  std::to_string((too_late ? facts.max_timestamp : facts.min_timestamp).value()) +
                  " is too far from the broker's time " + std::to_string(now.value()) +
                  "; see message.timestamp.before.max.ms and message.timestamp.after.max.ms");
}

Result<record::BatchFacts> validate_client(ByteView batch, const LogOptions& options) {
  const record::ValidateOptions rules{.max_batch_size = options.max_message_bytes,
                                      .require_keys = options.cleanup_compact};
  if (!options.cleanup_compact) return record::validate(batch, rules);
  // Only a compacted topic has to look into compressed batches.
  record::Decompressor decompressor;
  std::vector<std::byte> scratch;
  const record::Inflate inflate{
      .decompressor = decompressor,
      .scratch = scratch,
      .max_size = std::max<size_t>(64 * options.max_message_bytes, 1_MiB)};
  return record::validate(batch, rules, &inflate);
}

/// A coordinator's batch was made by us: structure and checksum will do, control batches pass.
Result<record::BatchHeader> check_ours(ByteView batch) {
  ASSIGN_OR_RETURN(const auto view, record::BatchView::parse(batch));
  if (view.bytes().size() != batch.size()) {
    return fail(Errc::invalid_record, "more than one batch in a request for one");
  }
  if (!view.crc_matches()) return fail(Errc::corrupt_batch);
  if (view.header().base_offset != Offset(0)) {
    return fail(Errc::invalid_record, "a batch without an assigned offset begins at 0");
  }
  return view.header();
}

/// A leader's batches were validated by it; what came over the network is checked again.
Result<record::BatchHeader> check_replica(ByteView batches) {
  record::BatchCursor cursor(batches);
  std::optional<record::BatchHeader> first;
  Offset next{0};
  for (;;) {
    ASSIGN_OR_RETURN(const auto batch, cursor.next());
    if (!batch) break;
    if (!batch->crc_matches()) return fail(Errc::corrupt_batch);
    if (first && batch->header().base_offset < next) {
      return fail(Errc::invalid_record, "the batches' offsets do not grow");
    }
    next = batch->header().next_offset();
    if (!first) first = batch->header();
  }
  if (!first || !cursor.rest().empty()) {
    return fail(Errc::corrupt_batch, "a replica appends whole batches only");
  }
  return *first;
}

}  // namespace

Result<> check_append(PendingAppend& append, const LogOptions& options) {
  AppendRequest& request = append.request;
  if (request.batch.size() > options.segment_bytes) return fail(Errc::batch_too_large);
  if (request.origin == AppendOrigin::replica) {
    ASSIGN_OR_RETURN(append.header, check_replica(request.batch));
    return {};
  }
  if (request.origin == AppendOrigin::coordinator) {
    ASSIGN_OR_RETURN(append.header, check_ours(request.batch));
  } else {
    ASSIGN_OR_RETURN(const auto facts, validate_client(request.batch, options));
    append.header = facts.header;
    if (options.timestamp_type == TimestampType::create_time) {
      RETURN_IF_ERROR(check_timestamps(facts, request.now, options));
    }
  }
  if (options.timestamp_type == TimestampType::log_append_time) {
    record::stamp_log_append_time(request.batch, request.now);
    append.header = record::load_header(request.batch.data());
    append.outcome->log_append_time = request.now;
  }
  return {};
}

}  // namespace sluice::storage
