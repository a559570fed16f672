#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"

namespace sluice::client {

using Milliseconds = std::chrono::milliseconds;

enum class Compression : int8_t { none, gzip, snappy, lz4, zstd };
/// When a produce counts as done: not at all, when the leader has it, when all in-sync replicas do.
enum class Acks : int8_t { all = -1, none = 0, leader = 1 };

struct ClientOptions {
  /// "host:port" of one or more brokers to begin with.
  std::vector<std::string> brokers = {"127.0.0.1:9092"};
  std::string client_id = "sluice";
  Milliseconds request_timeout{30'000};
  Milliseconds connect_timeout{10'000};
  /// First pause before a retry; doubles with jitter up to the longest.
  Milliseconds retry_backoff{100};
  Milliseconds retry_backoff_longest{1'000};
  Milliseconds metadata_max_age{300'000};
};

struct ProducerOptions {
  Acks acks = Acks::all;
  /// Bytes of a batch, and of a buffer of the pool.
  size_t batch_size = 16384;
  /// Bytes that records waiting to be acknowledged may take in all.
  size_t buffer_memory = 32 * 1024 * 1024;
  /// How long a batch that is not full waits for more records.
  Milliseconds linger{0};
  /// How long send() waits for memory or metadata before it fails.
  Milliseconds max_block{60'000};
  /// From send() to the outcome, retries included.
  Milliseconds delivery_timeout{120'000};
  Compression compression = Compression::none;
  /// Retries neither repeat nor reorder the records of a partition (KIP-98). Off with acks none.
  /// Without it, more than one request in flight may be reordered by a retry.
  bool idempotence = true;
  /// Requests under way per partition; at most 5 with idempotence.
  size_t max_in_flight = 5;
};

/// What to do when the position is no longer in the log.
enum class OffsetReset : uint8_t { earliest, latest, fail };
/// What to do when records that were read are no longer in the log, as after an unclean election:
/// poll() fails once with log_truncated, then reading goes on where the logs part; it goes on there
/// without a word; poll() fails until seek() says where to go on.
enum class OnTruncation : uint8_t { report, resume, fail };
enum class Isolation : uint8_t { read_uncommitted, read_committed };

struct ConsumerOptions {
  /// A fetch is answered when this many bytes are there, or after fetch_max_wait.
  size_t fetch_min_bytes = 1;
  Milliseconds fetch_max_wait{500};
  /// Bytes of a partition in one answer, and of an answer.
  size_t fetch_partition_bytes = 1024 * 1024;
  size_t fetch_max_bytes = 8 * 1024 * 1024;
  /// Bytes of fetched, not yet polled data that the consumer holds at most.
  size_t fetch_buffer_memory = 32 * 1024 * 1024;
  OffsetReset offset_reset = OffsetReset::earliest;
  OnTruncation on_truncation = OnTruncation::report;
  Isolation isolation = Isolation::read_uncommitted;
  /// Where this client stands: partitions are read from a replica in sync in that rack, when there
  /// is one, instead of from their leader elsewhere. Empty: always from the leader.
  std::string rack;
  bool check_crcs = true;
};

/// Sets an option by its Kafka property name ("linger.ms", "compression.type", "fetch.min.bytes").
/// not_found for a name that belongs to another kind of options or to none (with the nearest known
/// name), invalid_argument with the allowed values.
Result<> set_property(ClientOptions& options, std::string_view name, std::string_view value);
Result<> set_property(ProducerOptions& options, std::string_view name, std::string_view value);
Result<> set_property(ConsumerOptions& options, std::string_view name, std::string_view value);

struct Header {
  std::string_view key;
  std::optional<std::string_view> value = {};
};

struct Partition {
  std::string topic;
  PartitionId id{0};
  auto operator<=>(const Partition&) const = default;
};

}  // namespace sluice::client
