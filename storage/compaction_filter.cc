#include "storage/compaction_filter.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"

namespace sluice::storage {
namespace {

Result<> check_crc(const record::BatchView& batch) {
  if (batch.crc_matches()) return {};
  return fail(Errc::corrupt_batch, "the batch at offset " +
                                       std::to_string(batch.header().base_offset.value()) +
                                       " fails its checksum");
}

}  // namespace

bool is_compactable(const record::BatchHeader& header) {
  return !header.is_control() && !header.is_transactional();
}

Result<std::optional<Offset>> map_keys(ByteView batches, Offset from, RecordSource& source,
                                       OffsetMap& map) {
  record::BatchCursor cursor(batches);
  for (;;) {
    ASSIGN_OR_RETURN(const auto batch, cursor.next());
    if (!batch) break;
    // First of all: a rotten key would make others' last records look old.
    RETURN_IF_ERROR(check_crc(*batch));
    if (batch->header().last_offset() < from || !is_compactable(batch->header())) continue;
    const auto records = source.records(*batch);
    if (!records) continue;
    record::RecordReader reader(batch->header(), *records);
    record::RecordView record;
    for (;;) {
      const auto more = reader.next(record);
      if (!more || !*more) break;
      if (record.offset < from || !record.key) continue;
      if (!map.put(*record.key, record.offset)) return record.offset;
    }
  }
  if (cursor.position() != batches.size())
    return fail(Errc::corrupt_batch, "the segment ends inside a batch");
  return std::nullopt;
}

bool CompactionFilter::is_last_of_producer(const record::BatchHeader& header) const {
  if (!header.has_producer()) return false;
  return std::ranges::binary_search(rules_.producers,
                                    std::pair(header.producer_id, header.last_offset()));
}

bool CompactionFilter::keeps(const record::RecordView& record,
                             const record::BatchHeader& header) const {
  if (record.offset >= rules_.map_end) return true;
  if (!record.key) return false;
  const auto latest = rules_.latest.find(*record.key);
  if (latest && *latest > record.offset) return false;
  if (record.value) return true;
  const auto horizon = header.delete_horizon();
  return !horizon || rules_.now <= *horizon;
}

CompactionFilter::Verdict CompactionFilter::judge(const record::BatchView& batch,
                                                  ByteView records) const {
  Verdict verdict;
  record::RecordReader reader(batch.header(), records);
  record::RecordView record;
  for (;;) {
    const auto more = reader.next(record);
    if (!more) {
      verdict.decoded = false;
      return verdict;
    }
    if (!*more) return verdict;
    if (!keeps(record, batch.header())) continue;
    ++verdict.kept;
    if (!record.value) verdict.tombstones = true;
  }
}

Result<> CompactionFilter::filter(ByteView batches, std::vector<std::byte>& out) {
  record::BatchCursor cursor(batches);
  for (;;) {
    ASSIGN_OR_RETURN(const auto batch, cursor.next());
    if (!batch) break;
    RETURN_IF_ERROR(check_crc(*batch));
    const size_t before = out.size();
    RETURN_IF_ERROR(filter_batch(*batch, out));
    if (out.size() > before) {
      dropped_last_.reset();
    } else {
      dropped_last_ = batch->header();
    }
  }
  if (cursor.position() != batches.size())
    return fail(Errc::corrupt_batch, "the segment ends inside a batch");
  return {};
}

Result<> CompactionFilter::filter_batch(const record::BatchView& batch,
                                        std::vector<std::byte>& out) {
  const auto& header = batch.header();
  const auto keep_as_is = [&] {
    counts_.records_kept += static_cast<uint64_t>(header.record_count);
    out.insert(out.end(), batch.bytes().begin(), batch.bytes().end());
    return Result<>{};
  };
  counts_.records_in += static_cast<uint64_t>(header.record_count);
  if (!is_compactable(header) || header.base_offset >= rules_.map_end) return keep_as_is();
  const auto records = source_.records(batch);
  const Verdict verdict = records ? judge(batch, *records) : Verdict{.decoded = false};
  if (!verdict.decoded) {
    ++counts_.undecodable_batches;
    return keep_as_is();
  }
  if (verdict.kept == 0) {
    if (is_last_of_producer(header)) append_without_records(header, out);
    return {};
  }
  std::optional<Timestamp> horizon = header.delete_horizon();
  // A tombstone may go only after what it deletes went: not before the map has seen all of it.
  const bool dated = verdict.tombstones && !horizon && header.last_offset() < rules_.map_end;
  if (dated) horizon = rules_.now + rules_.delete_retention.count();
  if (verdict.kept == header.record_count && !dated) return keep_as_is();
  counts_.records_kept += static_cast<uint64_t>(verdict.kept);
  return rewrite(batch, *records, horizon, out);
}

Result<> CompactionFilter::rewrite(const record::BatchView& batch, ByteView records,
                                   std::optional<Timestamp> horizon, std::vector<std::byte>& out) {
  const auto& header = batch.header();
  record::BatchBuilder builder(record::Growing{out});
  if (horizon) builder.start_at(*horizon);
  record::RecordReader reader(header, records);
  record::RecordView record;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, reader.next(record));
    if (!more) break;
    if (!keeps(record, header)) continue;
    headers_.assign(record.headers.begin(), record.headers.end());
    const auto delta = static_cast<int32_t>(record.offset - header.base_offset);
    const bool fits =
        builder.append_at(delta, record.key, record.value, headers_, record.timestamp);
    CHECK(fits, "records of a batch fit into a batch again");
  }
  record::BatchSpec spec{.codec = header.codec(),
                         .base_offset = header.base_offset,
                         .leader_epoch = header.leader_epoch,
                         .producer_id = header.producer_id,
                         .producer_epoch = header.producer_epoch,
                         .base_sequence = header.base_sequence,
                         .has_delete_horizon = horizon.has_value(),
                         .timestamp_type = header.timestamp_type(),
                         .last_offset_delta = header.last_offset_delta};
  if (header.timestamp_type() == record::TimestampType::log_append_time)
    spec.max_timestamp = header.max_timestamp;
  ASSIGN_OR_RETURN(const auto finished, builder.finish(spec, compressor_, scratch_));
  CHECK(!finished.empty(), "a finished batch has a header");
  return {};
}

void CompactionFilter::finish(std::vector<std::byte>& out) {
  if (dropped_last_) append_without_records(*std::exchange(dropped_last_, std::nullopt), out);
}

void append_without_records(record::BatchHeader header, std::vector<std::byte>& out) {
  header.batch_length = static_cast<int32_t>(record::kHeaderSize - record::kLogOverhead);
  header.attributes &= static_cast<int16_t>(~(record::kCodecMask | record::kDeleteHorizonBit));
  header.base_timestamp = header.max_timestamp;
  header.record_count = 0;
  const size_t at = out.size();
  out.resize(at + record::kHeaderSize);
  const MutableBytes batch = MutableBytes(out).subspan(at);
  encode_header(header, batch);
  header.crc = record::compute_crc(batch);
  encode_header(header, batch);
}

}  // namespace sluice::storage
