#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/types.h"

namespace sluice::client {

/// A record as it lies in the fetched batch; the views are valid until the next poll() or close().
struct ConsumedRecord {
  std::string_view topic;
  PartitionId partition{0};
  Offset offset{0};
  Timestamp timestamp = kNoTimestamp;
  LeaderEpoch leader_epoch{-1};
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  /// Decoded on demand.
  std::vector<Header> headers() const;
  bool has_headers() const { return header_count != 0; }

  uint32_t header_count = 0;
  std::string_view raw_headers;
};

struct SeekBeginning {};
struct SeekEnd {};
using SeekTarget = std::variant<Offset, Timestamp, SeekBeginning, SeekEnd>;

/// Records that were read are no longer in the log: a leader that did not have them was elected.
struct Truncation {
  Partition partition;
  /// Of the next record, as it was found out.
  Offset position{0};
  /// What was read from here on is not in the log any more.
  Offset parts_at{0};
};

struct ConsumerMetrics {
  uint64_t records = 0, bytes = 0, fetches = 0, batches = 0;
  size_t buffer_used = 0, buffer_total = 0;
  /// Of the bytes fetched: from replicas in the client's rack that do not lead.
  uint64_t bytes_from_followers = 0;
};

/// Reads assigned partitions. One thread at a time, except wake().
class Consumer {
 public:
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  /// All partitions of the topic, or the given ones, in place of those before; they begin at
  /// `from`. unknown_topic_or_partition names what is missing.
  Result<> assign(std::string_view topic, SeekTarget from = SeekBeginning{});
  Result<> assign(std::span<const std::pair<Partition, SeekTarget>> partitions);
  Result<> seek(const Partition& partition, SeekTarget to);

  /// At most `max_records`, at least one unless `timeout` passes or wake() is called. Partitions
  /// take turns; the turn goes on where the last poll stopped. What was fetched and not returned
  /// stays for the next poll, and the next fetch is kept in flight. log_truncated: records that
  /// were returned before are no longer in the log; as ConsumerOptions::on_truncation says.
  Result<std::span<const ConsumedRecord>> poll(size_t max_records, Milliseconds timeout);
  /// Makes a poll that waits return empty; from any thread.
  void wake();

  /// The last logs that were found cut below the position, at most 100, oldest first; each is given
  /// once, also those that poll() was told not to report.
  std::vector<Truncation> truncations();

  /// The offset of the next record poll() will return.
  Result<Offset> position(const Partition& partition) const;
  /// Log start and high watermark as the last answers had them, asked for when unknown.
  Result<std::pair<Offset, Offset>> watermarks(const Partition& partition);
  std::vector<Partition> assignment() const;
  void pause(const Partition& partition);
  void resume(const Partition& partition);

  ConsumerMetrics metrics() const;

 private:
  friend class Client;
  struct Core;
  explicit Consumer(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace sluice::client
