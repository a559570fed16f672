#pragma once

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "proto/record/batch.h"
#include "proto/record/builder.h"
#include "proto/record/compression.h"
#include "proto/record/records.h"
#include "storage/offset_map.h"

namespace sluice::storage {

/// The last offset that each known producer wrote, ordered by id.
using ProducerEnds = std::vector<std::pair<ProducerId, Offset>>;

/// Records of batches, inflated where they are compressed. One a compaction.
class RecordSource {
 public:
  /// A batch that inflates beyond `max_size` bytes counts as undecodable.
  explicit RecordSource(size_t max_size) : max_size_(max_size) {}
  /// The bytes live until the next call.
  Result<ByteView> records(const record::BatchView& batch) {
    return record::records_of(batch, decompressor_, max_size_, scratch_);
  }

 private:
  const size_t max_size_;
  record::Decompressor decompressor_;
  std::vector<std::byte> scratch_;
};

/// Whether compaction looks into the batch: control batches and, until aborted transactions are
/// known from committed ones, transactional ones stay as they are.
bool is_compactable(const record::BatchHeader& header);

/// Notes the keys of whole batches at or above `from`. The offset of the first record that found no
/// room in the map, which then holds all before it; nothing when all went in. Batches that do not
/// decode are passed over. Error: corrupt_batch when the bytes are not batches.
Result<std::optional<Offset>> map_keys(ByteView batches, Offset from, RecordSource& source,
                                       OffsetMap& map);

/// What a compaction keeps (FORMAT.md, "Compaction"), as a function from batches to batches: per
/// key the record with the largest offset in `latest`, which holds the keys below `map_end`.
class CompactionFilter {
 public:
  struct Rules {
    const OffsetMap& latest;
    /// Records at or above it are kept.
    Offset map_end{0};
    Timestamp now{0};
    std::chrono::milliseconds delete_retention{};
    /// Batches that hold a producer's last sequence are kept, without records if need be.
    const ProducerEnds& producers;
  };
  struct Counts {
    uint64_t records_in = 0, records_kept = 0;
    uint64_t undecodable_batches = 0;
  };
  CompactionFilter(Rules rules, RecordSource& source) : rules_(rules), source_(source) {}

  /// Appends what stays of whole batches to `out`. Error: corrupt_batch when they are no batches or
  /// fail their checksum: a compaction must not give rotten bytes a new one.
  Result<> filter(ByteView batches, std::vector<std::byte>& out);
  /// To be called at the end: when the last batch did not stay, appends it without records, so that
  /// the output ends where the input did.
  void finish(std::vector<std::byte>& out);
  const Counts& counts() const { return counts_; }

 private:
  /// What to do with a batch, after a look at its records.
  struct Verdict {
    int32_t kept = 0;
    bool tombstones = false;
    bool decoded = true;
  };
  bool keeps(const record::RecordView& record, const record::BatchHeader& header) const;
  Verdict judge(const record::BatchView& batch, ByteView records) const;
  Result<> filter_batch(const record::BatchView& batch, std::vector<std::byte>& out);
  Result<> rewrite(const record::BatchView& batch, ByteView records,
                   std::optional<Timestamp> horizon, std::vector<std::byte>& out);
  bool is_last_of_producer(const record::BatchHeader& header) const;

  const Rules rules_;
  RecordSource& source_;
  Counts counts_;
  record::Compressor compressor_;
  std::vector<std::byte> scratch_;
  std::vector<record::HeaderView> headers_;
  std::optional<record::BatchHeader> dropped_last_;
};

/// The batch's header over no records; 61 bytes.
void append_without_records(record::BatchHeader header, std::vector<std::byte>& out);

}  // namespace sluice::storage
