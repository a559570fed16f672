#include "storage/append_check.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

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

/// What a batch may inflate to, as a multiple of the largest batch the topic takes.
constexpr size_t kMostInflation = 64;

/// Calls `inflate` with a cap on the inflated size that grows until it is enough, each charged
/// before it is used: a small batch must not reserve what a bomb would need.
template <class F>
auto inflate_within(MemoryBudget& memory, size_t batch_size, const LogOptions& options, F inflate)
    -> decltype(inflate(size_t{})) {
  const size_t most = kMostInflation * std::max<size_t>(options.max_message_bytes, 16_KiB);
  for (size_t cap = std::min(most, 4 * batch_size + 4_KiB);; cap = std::min(most, 4 * cap)) {
    ASSIGN_OR_RETURN(const Reservation charged, memory.reserve(cap));
    auto result = inflate(cap);
    const bool too_small = !result && result.error() == Errc::batch_too_large && cap < most;
    if (!too_small) return result;
  }
}

/// The codec that the topic wants and the batch has not; empty when it stays as it was sent.
std::optional<record::Codec> wanted_codec(const record::BatchHeader& header,
                                          const LogOptions& options) {
  if (options.compression == TopicCompression::producer) return std::nullopt;
  const auto wanted = static_cast<record::Codec>(options.compression);
  if (wanted == header.codec()) return std::nullopt;
  return wanted;
}

Result<record::BatchFacts> validate_client(ByteView batch, const LogOptions& options,
                                           MemoryBudget& memory) {
  const record::ValidateOptions rules{.max_batch_size = options.max_message_bytes,
                                      .require_keys = options.cleanup_compact};
  const bool looks_inside =
      options.cleanup_compact || options.compression != TopicCompression::producer;
  const bool compressed =
      batch.size() >= record::kHeaderSize && record::load_header(batch.data()).is_compressed();
  if (!looks_inside || !compressed || batch.size() > options.max_message_bytes) {
    record::Decompressor unused;
    std::vector<std::byte> scratch;
    const record::Inflate inflate{.decompressor = unused, .scratch = scratch, .max_size = 0};
    return record::validate(batch, rules, options.cleanup_compact ? &inflate : nullptr);
  }
  return inflate_within(memory, batch.size(), options, [&](size_t cap) {
    record::Decompressor decompressor;
    std::vector<std::byte> scratch;
    const record::Inflate inflate{
        .decompressor = decompressor, .scratch = scratch, .max_size = cap};
    return record::validate(batch, rules, &inflate);
  });
}

Error bad_checksum(const record::BatchView& batch) {
  return {Errc::corrupt_batch,
          "batch at offset " + std::to_string(batch.header().base_offset.value()) +
              ": the checksum is " + std::to_string(record::compute_crc(batch.bytes())) +
              ", the batch says " + std::to_string(batch.header().crc) +
              "; it changed on its way, send it again"};
}

/// A coordinator's batch was made by us: structure and checksum will do, control batches pass.
Result<record::BatchHeader> check_ours(ByteView batch) {
  ASSIGN_OR_RETURN(const auto view, record::BatchView::parse(batch));
  if (view.bytes().size() != batch.size()) {
    return fail(Errc::invalid_record, "more than one batch in a request for one");
  }
  if (!view.crc_matches()) return fail(bad_checksum(view));
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
    if (!batch->crc_matches()) return fail(bad_checksum(*batch));
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

/// Writes the header over the batch's, with the checksum that is then right.
void seal_header(record::BatchHeader& header, MutableBytes batch) {
  record::encode_header(header, batch);
  header.crc = record::compute_crc(batch);
  record::encode_header(header, batch);
}

}  // namespace

Result<> check_append(PendingAppend& append, const LogOptions& options, MemoryBudget& memory) {
  AppendRequest& request = append.request;
  if (request.origin == AppendOrigin::replica) {
    ASSIGN_OR_RETURN(append.header, check_replica(request.batch));
    return {};
  }
  if (request.batch.size() > options.segment_bytes) {
    return fail(Errc::batch_too_large, "the batch has " + std::to_string(request.batch.size()) +
                                           " bytes, a segment of the topic takes segment.bytes = " +
                                           std::to_string(options.segment_bytes) +
                                           "; send smaller batches or raise that");
  }
  if (request.origin == AppendOrigin::coordinator) {
    ASSIGN_OR_RETURN(append.header, check_ours(request.batch));
  } else {
    ASSIGN_OR_RETURN(const auto facts, validate_client(request.batch, options, memory));
    append.header = facts.header;
    if (facts.walked && facts.max_timestamp != append.header.max_timestamp) {
      // The time index and retention go by it; as Kafka, put right and not refused.
      append.header.max_timestamp = facts.max_timestamp;
      seal_header(append.header, request.batch);
    }
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

bool is_costly(const AppendRequest& request, const LogOptions& options) {
  if (request.origin != AppendOrigin::client) return false;
  if (options.compression != TopicCompression::producer) return true;
  return options.cleanup_compact && request.batch.size() >= record::kHeaderSize &&
         record::load_header(request.batch.data()).is_compressed();
}

Result<> recompress(PendingAppend& append, const LogOptions& options, MemoryBudget& memory,
                    std::vector<std::byte>& out) {
  if (append.request.origin != AppendOrigin::client) return {};
  const auto codec = wanted_codec(append.header, options);
  if (!codec) return {};
  ASSIGN_OR_RETURN(const auto batch, record::BatchView::parse(append.request.batch));
  // The records keep their bytes; only how they are packed changes.
  RETURN_IF_ERROR(
      inflate_within(memory, batch.bytes().size(), options, [&](size_t cap) -> Result<> {
        record::Decompressor decompressor;
        std::vector<std::byte> inflated;
        ASSIGN_OR_RETURN(const ByteView records,
                         record::records_of(batch, decompressor, cap, inflated));
        std::vector<std::byte> packed;
        record::Compressor compressor;
        if (*codec != record::Codec::none)
          RETURN_IF_ERROR(compressor.compress(*codec, records, packed));
        const ByteView payload = *codec == record::Codec::none ? records : ByteView(packed);
        out.resize(record::kHeaderSize + payload.size());
        std::ranges::copy(payload, out.begin() + record::kHeaderSize);
        return {};
      }));
  if (out.size() > std::min(options.max_message_bytes, options.segment_bytes)) {
    return fail(Errc::batch_too_large,
                "the batch has " + std::to_string(out.size()) +
                    " bytes in the topic's compression, its max.message.bytes is " +
                    std::to_string(options.max_message_bytes) +
                    "; send smaller batches or raise that");
  }
  record::BatchHeader& header = append.header;
  header.attributes = static_cast<int16_t>((header.attributes & ~record::kCodecMask) |
                                           static_cast<int16_t>(*codec));
  header.batch_length = static_cast<int32_t>(out.size() - record::kLogOverhead);
  seal_header(header, out);
  append.request.batch = out;
  return {};
}

}  // namespace sluice::storage
