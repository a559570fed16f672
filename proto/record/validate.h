#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "proto/record/batch.h"
#include "proto/record/compression.h"

namespace sluice::record {

/// With what compressed batches are inflated to walk their records.
struct Inflate {
  Decompressor& decompressor;
  std::vector<std::byte>& scratch;
  /// Bytes; a batch that inflates beyond is batch_too_large.
  size_t max_size;
};

struct ValidateOptions {
  /// `max.message.bytes` of the topic: the largest batch in bytes, header included.
  size_t max_batch_size = kMaxBatchSize;
  /// The topic is compacted: records without a key are refused.
  bool require_keys = false;
};

/// What a validated batch is known to be.
struct BatchFacts {
  BatchHeader header;
  /// Of the records where they were walked, else what the header says (min: the base timestamp).
  Timestamp min_timestamp = kNoTimestamp;
  Timestamp max_timestamp = kNoTimestamp;
  /// Distance from the base offset to the first record that has the max timestamp; the last record
  /// where they were not walked.
  int32_t max_timestamp_delta = 0;
  bool walked = false;
};

/// What a broker checks of a produced batch. `bytes` must be exactly one. The CRC is computed once;
/// the records of an uncompressed batch are walked, those of a compressed one only with `inflate`
/// (which a topic that requires keys must give).
///
/// Errors, in the order of the checks:
///   corrupt_batch            too short, lengths disagree, magic above 2, CRC
///   invalid_record           no batch or more than one, magic 0 or 1
///   batch_too_large          larger than the topic allows, or than `inflate` allows
///   unsupported_compression  a codec that is not known
///   invalid_timestamp        the producer set LogAppendTime, which is the broker's to set
///   invalid_record           base offset not 0, control or delete-horizon bit, no records, a count
///                            other than the last offset delta + 1, a producer without sequence or
///                            epoch, records that do not decode, offsets that are not dense from 0,
///                            a null key where keys are required
Result<BatchFacts> validate(ByteView bytes, const ValidateOptions& options,
                            const Inflate* inflate = nullptr);

}  // namespace sluice::record
