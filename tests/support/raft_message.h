#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/strong.h"

namespace sluice::broker {

/// A message of the consensus as anybody could write it: the fields of eraftpb.Message by number,
/// sealed as RaftCore seals its own. What a test does with it no RaftCore would say.
class ForgedMessage {
 public:
  static constexpr uint64_t kAppend = 3, kAppendResponse = 4, kSnapshot = 7, kHeartbeat = 8,
                            kTimeoutNow = 14;
  static constexpr uint32_t kIndex = 6, kEntry = 7, kCommit = 8, kLogTerm = 5;

  ForgedMessage(uint64_t type, NodeId from, NodeId to, uint64_t term) {
    number(1, type).number(2, engine_id(to)).number(3, engine_id(from)).number(4, term);
  }
  ForgedMessage& number(uint32_t field, uint64_t value) {
    varint(field << 3);
    varint(value);
    return *this;
  }
  ForgedMessage& entry(uint64_t index, uint64_t term) {
    std::vector<std::byte> content;
    content.swap(bytes_);
    number(2, term).number(3, index);
    content.swap(bytes_);
    varint(kEntry << 3 | 2);
    varint(content.size());
    bytes_.insert(bytes_.end(), content.begin(), content.end());
    return *this;
  }
  ForgedMessage& empty_entries(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      varint(kEntry << 3 | 2);
      varint(0);
    }
    return *this;
  }
  std::vector<std::byte> sealed() const {
    std::vector<std::byte> message(4);
    store_be<uint32_t>(message.data(), crc32c(bytes_));
    message.insert(message.end(), bytes_.begin(), bytes_.end());
    return message;
  }

 private:
  static uint64_t engine_id(NodeId id) { return static_cast<uint64_t>(id.value()) + 1; }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<std::byte>(value | 0x80));
    bytes_.push_back(static_cast<std::byte>(value));
  }
  std::vector<std::byte> bytes_;
};

}  // namespace sluice::broker
