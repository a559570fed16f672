#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <absl/container/inlined_vector.h>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice::native {

/// A RequestHeader that holds a ProduceRequest; the ids borrow from its bytes.
struct ProduceHeader {
  struct Partition {
    ByteView topic_id;
    int32_t partition = 0;
    std::optional<int32_t> leader_epoch;
    uint32_t size = 0;
  };
  uint64_t correlation_id = 0;
  int32_t acks = 0;
  uint32_t timeout_ms = 0;
  absl::InlinedVector<Partition, 2> partitions;
};

/// Whether an encoded RequestHeader holds a ProduceRequest, once, and no other request. Says
/// nothing about what is inside.
bool is_produce(ByteView header);

/// Decodes such a header as the generated code would, but without an allocation for the usual one
/// or two partitions. malformed_frame.
Result<> decode_produce(ByteView header, size_t max_partitions, ProduceHeader& out);

/// A ResponseHeader that holds a ProduceResponse.
struct ProduceAnswer {
  struct Partition {
    /// 0: none.
    uint32_t error_code = 0;
    std::string_view error_message;
    int64_t base_offset = 0;
    int64_t log_start = 0;
    std::optional<int64_t> log_append_time;
    uint32_t receipt_level = 0;
    uint32_t receipt_replicas = 0;
    uint32_t receipt_synced_replicas = 0;
    bool duplicate = false;
    std::optional<int32_t> leader;
    std::optional<int32_t> leader_epoch;
  };
  uint64_t correlation_id = 0;
  uint32_t throttle_ms = 0;
  std::span<const Partition> partitions;
};

size_t encoded_size(const ProduceAnswer& answer);
/// Writes it to `to`, which has its encoded_size().
void encode(const ProduceAnswer& answer, MutableBytes to);

}  // namespace sluice::native
