#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/bytes.h"
#include "base/time.h"

namespace sluice::storage {

/// When an append counts as flushed. `none`: the page cache (and replication) is the promise;
/// `interval`: a background sync at least that often; `every`: before every acknowledgement.
enum class FlushPolicy : uint8_t { none, interval, every };
enum class TimestampType : uint8_t { create_time, log_append_time };
/// What a topic stores: as sent, or recompressed to one codec.
enum class TopicCompression : int8_t { producer = -1, none, gzip, snappy, lz4, zstd };

/// The settings of one partition's log; the names are Kafka's topic configs.
struct LogOptions {
  size_t segment_bytes = 1_GiB;
  std::chrono::milliseconds segment_ms = std::chrono::hours(24 * 7);
  size_t segment_index_bytes = 10_MiB;
  size_t index_interval_bytes = 4096;
  size_t max_message_bytes = 1048588;
  /// Negative: no limit.
  int64_t retention_ms = 7LL * 24 * 3600 * 1000;
  int64_t retention_bytes = -1;
  bool cleanup_delete = true;
  bool cleanup_compact = false;
  std::chrono::milliseconds delete_retention_ms = std::chrono::hours(24);
  std::chrono::milliseconds min_compaction_lag_ms{0};
  double min_cleanable_dirty_ratio = 0.5;
  std::chrono::milliseconds file_delete_delay_ms = std::chrono::seconds(60);
  FlushPolicy flush = FlushPolicy::none;
  std::chrono::milliseconds flush_interval_ms = std::chrono::seconds(1);
  TimestampType timestamp_type = TimestampType::create_time;
  TopicCompression compression = TopicCompression::producer;
  int64_t timestamp_before_max_ms = std::numeric_limits<int64_t>::max();
  int64_t timestamp_after_max_ms = std::numeric_limits<int64_t>::max();
  std::chrono::milliseconds producer_expiration_ms = std::chrono::hours(24);
};

}  // namespace sluice::storage
