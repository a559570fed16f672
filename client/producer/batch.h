#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "client/include/sluice/producer.h"
#include "client/producer/memory_pool.h"
#include "proto/record/builder.h"

namespace sluice::client {

/// A record of a batch that somebody wants to hear of.
struct PendingDelivery {
  int32_t index;
  Timestamp timestamp;
  DeliveryCallback done;
};

/// What the broker said of a batch.
struct BatchOutcome {
  Offset base_offset{-1};
  std::optional<Timestamp> log_append_time;
  Delivery::Level level = Delivery::Level::none;
  uint32_t replicas = 0;
  uint32_t synced_replicas = 0;
};

/// Records of one partition on their way: filled by the user's threads, then sealed and sent by the
/// partition's sender.
struct Batch {
  /// Of at most `limit` bytes, which `from` has at least.
  Batch(PooledBytes from, size_t limit, TimePoint now, TimePoint until)
      : memory(std::move(from)),
        builder(memory.bytes().first(limit)),
        opened(now),
        deadline(until) {}

  PooledBytes memory;
  record::BatchBuilder builder;
  const TimePoint opened;
  const TimePoint deadline;
  std::vector<PendingDelivery> deliveries;

  // From here on the sender's alone.
  MutableBytes bytes;  ///< sealed; empty before
  int32_t records = 0;
  bool in_flight = false;
  /// Of the last try; none before it has ended, and when it has to be made again.
  std::optional<Result<BatchOutcome>> outcome;
};

}  // namespace sluice::client
