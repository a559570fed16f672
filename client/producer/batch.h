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
  Batch(PooledBytes from, TimePoint now, Duration delivery_timeout)
      : memory(std::move(from)),
        builder(memory.bytes()),
        opened(now),
        deadline(now + delivery_timeout) {}

  PooledBytes memory;
  record::BatchBuilder builder;
  const TimePoint opened;
  const TimePoint deadline;
  std::vector<PendingDelivery> deliveries;

  // From here on the sender's alone.
  MutableBytes bytes;  ///< sealed; empty before
  int32_t records = 0;
  int32_t base_sequence = record::kNoSequence;
  bool in_flight = false;
  /// Of the last try; none before it has ended.
  std::optional<Result<BatchOutcome>> outcome;
};

}  // namespace sluice::client
