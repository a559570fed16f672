#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sluice/types.h"

namespace sluice::client {

/// A record to be sent; the views need to live only until send() returns. Every field has a
/// default, so that naming only some of them warns nowhere.
struct OutgoingRecord {
  std::optional<std::string_view> key = {};
  std::optional<std::string_view> value = {};
  std::span<const Header> headers = {};
  /// Chosen by the partitioner when absent: murmur2 of the key as Kafka's clients do, sticky
  /// without a key.
  std::optional<PartitionId> partition = {};
  /// Now, when absent.
  std::optional<Timestamp> timestamp = {};
};

/// Where a record went. `durability` says what was reached, not what was asked for.
struct Delivery {
  enum class Level : uint8_t { none, written, synced };
  PartitionId partition{0};
  Offset offset{-1};
  Timestamp timestamp = kNoTimestamp;
  Level durability = Level::none;
  uint32_t replicas = 0;
  uint32_t synced_replicas = 0;
};

/// Called once per record, on the client's own thread: do not block there.
using DeliveryCallback = std::move_only_function<void(const Result<Delivery>&)>;

struct ProducerMetrics {
  uint64_t records_sent = 0, records_acked = 0, records_failed = 0;
  uint64_t bytes_sent = 0, batches_sent = 0, retries = 0;
  size_t buffer_used = 0, buffer_total = 0, waiters = 0;
};

/// Publishes records to one topic after the other; thread-safe. Records of one partition keep the
/// order of their send() calls. A failed record without a callback or future is counted and makes
/// flush() fail with the first error.
class Producer {
 public:
  ~Producer();  ///< as close()
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// Copies the record into a batch. Waits up to max.block.ms for memory or metadata, then
  /// timed_out, saying how full the pool is. batch_too_large when it can never fit.
  Result<> send(std::string_view topic, const OutgoingRecord& record);
  /// The same, with the outcome handed to `done`; when send() fails `done` is not called.
  Result<> send(std::string_view topic, const OutgoingRecord& record, DeliveryCallback done);
  std::future<Result<Delivery>> send_future(std::string_view topic, const OutgoingRecord& record);

  /// Sends what waits and returns when every record so far has its outcome; the first error among
  /// records without a callback since the last flush.
  Result<> flush();
  /// Flushes, at most `limit`; records without an outcome by then fail with timed_out.
  Result<> close(Milliseconds limit = Milliseconds(30'000));

  ProducerMetrics metrics() const;

 private:
  friend class Client;
  struct Core;
  explicit Producer(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace sluice::client
