#include "proto/native/produce_codec.h"

#include <algorithm>
#include <string>

#include "base/check.h"
#include "base/varint.h"
#include "proto/native/field_reader.h"
#include "proto/native/protocol.pb.h"

namespace sluice::native {
namespace {

std::unexpected<Error> malformed() {
  return fail(Errc::malformed_frame, "the header is no RequestHeader");
}

bool decode(ByteView bytes, ProduceHeader::Partition& out) {
  using Message = ProduceRequest::Partition;
  FieldReader reader(bytes);
  while (reader.next()) {
    if (reader.number() == Message::kTopicIdFieldNumber && reader.is_bytes()) {
      out.topic_id = reader.bytes();
    } else if (!reader.is_varint()) {
      continue;
    } else if (reader.number() == Message::kPartitionFieldNumber) {
      out.partition = static_cast<int32_t>(reader.varint());
    } else if (reader.number() == Message::kLeaderEpochFieldNumber) {
      out.leader_epoch = static_cast<int32_t>(reader.varint());
    } else if (reader.number() == Message::kSizeFieldNumber) {
      out.size = static_cast<uint32_t>(reader.varint());
    }
  }
  return reader.finished();
}

Result<> decode_request(ByteView bytes, size_t max_partitions, ProduceHeader& out) {
  using Message = ProduceRequest;
  FieldReader reader(bytes);
  while (reader.next()) {
    if (reader.number() == Message::kPartitionsFieldNumber && reader.is_bytes()) {
      if (out.partitions.size() == max_partitions) {
        return fail(Errc::malformed_frame, "the request names more than " +
                                               std::to_string(max_partitions) +
                                               " partitions; split it");
      }
      if (!decode(reader.bytes(), out.partitions.emplace_back())) return malformed();
    } else if (!reader.is_varint()) {
      continue;
    } else if (reader.number() == Message::kAcksFieldNumber) {
      out.acks = unzigzag(static_cast<uint32_t>(reader.varint()));
    } else if (reader.number() == Message::kTimeoutMsFieldNumber) {
      out.timeout_ms = static_cast<uint32_t>(reader.varint());
    }
  }
  if (!reader.finished()) return malformed();
  return {};
}

/// Writes fields as the generated code does: what holds its default is left out, unless it has
/// presence.
class FieldWriter {
 public:
  explicit FieldWriter(std::byte* at) : at_(at) {}
  std::byte* at() const { return at_; }

  void varint(uint32_t number, uint64_t value) {
    if (value != 0) present(number, value);
  }
  void present(uint32_t number, uint64_t value) {
    at_ = put_varint(at_, number << 3);
    at_ = put_varint(at_, value);
  }
  void begin(uint32_t number, size_t size) {
    at_ = put_varint(at_, (number << 3) | 2);
    at_ = put_varint(at_, static_cast<uint64_t>(size));
  }
  void text(uint32_t number, std::string_view text) {
    if (text.empty()) return;
    begin(number, text.size());
    at_ = std::ranges::copy(as_bytes(text), at_).out;
  }

 private:
  std::byte* at_;
};

/// Counts what a FieldWriter would write.
class FieldCounter {
 public:
  size_t size() const { return size_; }
  void varint(uint32_t number, uint64_t value) {
    if (value != 0) present(number, value);
  }
  void present(uint32_t number, uint64_t value) {
    size_ += varint_size(number << 3) + varint_size(value);
  }
  void begin(uint32_t number, size_t size) {
    size_ += varint_size((number << 3) | 2) + varint_size(static_cast<uint64_t>(size));
  }
  void text(uint32_t number, std::string_view text) {
    if (text.empty()) return;
    begin(number, text.size());
    size_ += text.size();
  }
  void skip(size_t size) { size_ += size; }

 private:
  size_t size_ = 0;
};

/// int32 and int64 are encoded as 64 bits, negative ones with their sign.
uint64_t wide(int64_t value) { return static_cast<uint64_t>(value); }

template <class Out>
void put_error(const ProduceAnswer::Partition& from, Out& out) {
  out.varint(ErrorInfo::kCodeFieldNumber, from.error_code);
  out.text(ErrorInfo::kMessageFieldNumber, from.error_message);
}

template <class Out>
void put_receipt(const ProduceAnswer::Partition& from, Out& out) {
  out.varint(Receipt::kLevelFieldNumber, from.receipt_level);
  out.varint(Receipt::kReplicasFieldNumber, from.receipt_replicas);
  out.varint(Receipt::kSyncedReplicasFieldNumber, from.receipt_synced_replicas);
}

template <class Out, class Nested>
void put_partition(const ProduceAnswer::Partition& from, Out& out, Nested nested) {
  using Message = ProduceResponse::Partition;
  if (from.error_code != 0) {
    nested(Message::kErrorFieldNumber, [&](auto& inner) { put_error(from, inner); });
  }
  out.varint(Message::kBaseOffsetFieldNumber, wide(from.base_offset));
  out.varint(Message::kLogStartFieldNumber, wide(from.log_start));
  if (from.log_append_time) {
    out.present(Message::kLogAppendTimeFieldNumber, wide(*from.log_append_time));
  }
  nested(Message::kReceiptFieldNumber, [&](auto& inner) { put_receipt(from, inner); });
  out.varint(Message::kDuplicateFieldNumber, from.duplicate ? 1 : 0);
  if (from.leader) out.present(Message::kLeaderFieldNumber, wide(*from.leader));
  if (from.leader_epoch) out.present(Message::kLeaderEpochFieldNumber, wide(*from.leader_epoch));
}

size_t partition_size(const ProduceAnswer::Partition& from) {
  FieldCounter counter;
  put_partition(from, counter, [&](uint32_t number, auto put) {
    FieldCounter inner;
    put(inner);
    counter.begin(number, inner.size());
    counter.skip(inner.size());
  });
  return counter.size();
}

void write_partition(const ProduceAnswer::Partition& from, FieldWriter& writer) {
  put_partition(from, writer, [&](uint32_t number, auto put) {
    FieldCounter inner;
    put(inner);
    writer.begin(number, inner.size());
    put(writer);
  });
}

size_t response_size(const ProduceAnswer& answer) {
  FieldCounter counter;
  for (const auto& partition : answer.partitions) {
    const size_t size = partition_size(partition);
    counter.begin(ProduceResponse::kPartitionsFieldNumber, size);
    counter.skip(size);
  }
  return counter.size();
}

}  // namespace

bool is_produce(ByteView header) {
  // The numbers protocol.proto keeps for requests, whether this version knows them or not: of two
  // in a header the last counts.
  constexpr uint32_t kLastRequestField = 99;
  bool found = false;
  FieldReader reader(header);
  while (reader.next()) {
    if (reader.number() < RequestHeader::kHelloFieldNumber || reader.number() > kLastRequestField) {
      continue;
    }
    if (reader.number() != RequestHeader::kProduceFieldNumber || !reader.is_bytes() || found) {
      return false;
    }
    found = true;
  }
  return found && reader.finished();
}

Result<> decode_produce(ByteView header, size_t max_partitions, ProduceHeader& out) {
  FieldReader reader(header);
  while (reader.next()) {
    if (reader.number() == RequestHeader::kProduceFieldNumber && reader.is_bytes()) {
      RETURN_IF_ERROR(decode_request(reader.bytes(), max_partitions, out));
    } else if (reader.number() == RequestHeader::kCorrelationIdFieldNumber && reader.is_varint()) {
      out.correlation_id = reader.varint();
    }
  }
  if (!reader.finished()) return malformed();
  return {};
}

size_t encoded_size(const ProduceAnswer& answer) {
  FieldCounter counter;
  counter.varint(ResponseHeader::kCorrelationIdFieldNumber, answer.correlation_id);
  counter.varint(ResponseHeader::kThrottleMsFieldNumber, answer.throttle_ms);
  const size_t size = response_size(answer);
  counter.begin(ResponseHeader::kProduceFieldNumber, size);
  return counter.size() + size;
}

void encode(const ProduceAnswer& answer, MutableBytes to) {
  FieldWriter writer(to.data());
  writer.varint(ResponseHeader::kCorrelationIdFieldNumber, answer.correlation_id);
  writer.varint(ResponseHeader::kThrottleMsFieldNumber, answer.throttle_ms);
  writer.begin(ResponseHeader::kProduceFieldNumber, response_size(answer));
  for (const auto& partition : answer.partitions) {
    writer.begin(ProduceResponse::kPartitionsFieldNumber, partition_size(partition));
    write_partition(partition, writer);
  }
  CHECK(writer.at() == to.data() + to.size(), "a message takes the room that was counted for it");
}

}  // namespace sluice::native
