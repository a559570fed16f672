#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/memory_budget.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "io/disk.h"
#include "proto/record/batch.h"
#include "proto/record/records.h"
#include "storage/leader_epochs.h"
#include "storage/producer_state.h"

namespace sluice::storage {

struct InspectOptions {
  /// Decode every record, also those that are compressed.
  bool records = false;
  /// Check everything, not only what is needed to walk: checksums, records, that indexes, epochs,
  /// snapshots and checkpoints agree with the batches.
  bool verify = false;
  /// A gap between offsets is a problem: nothing was compacted.
  bool dense = false;
};

struct InspectedBatch {
  const std::string& path;
  uint64_t position = 0;
  const record::BatchHeader& header;
  /// Only looked at when verifying.
  std::optional<bool> crc_ok;
};

/// An entry of an offset index (position), or of a time index (timestamp).
struct InspectedEntry {
  const std::string& path;
  Offset offset{0};
  std::optional<uint64_t> position;
  std::optional<Timestamp> timestamp;
};

/// Told what is found, in the order it lies on the disk. Any may be empty.
struct InspectSink {
  std::function<void(const std::string& path, uint64_t bytes)> on_file;
  std::function<void(const InspectedBatch&)> on_batch;
  std::function<void(const InspectedBatch&, const record::RecordView&)> on_record;
  std::function<void(const InspectedEntry&)> on_entry;
  std::function<void(const std::string& path, const LeaderEpochs&)> on_epochs;
  std::function<void(const std::string& path, const ProducerState&)> on_producers;
  /// What is wrong, with the place.
  std::function<void(const std::string& path, const std::string& problem)> on_problem;
};

struct InspectCounts {
  uint64_t logs = 0, files = 0, bytes = 0;
  uint64_t batches = 0, records = 0, index_entries = 0;
  /// Ranges of offsets that no batch covers.
  uint64_t gaps = 0;
  uint64_t problems = 0;
};

/// Walks a data directory, a log's folder or one of its files, changing nothing. Meant for files
/// that nobody writes; of a running broker the tail may look torn. Memory is charged to `memory`.
/// Errors: what the disk says, invalid_argument when the path is nothing of ours. What is wrong
/// inside is no error but a problem.
io::Task<Result<InspectCounts>> inspect(io::Disk& disk, std::string path, InspectOptions options,
                                        InspectSink sink, MemoryBudget& memory);

}  // namespace sluice::storage
