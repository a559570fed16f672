#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "broker/metadata/wal.h"

namespace sluice::broker {

/// The other side of raft_core/src/flat.rs.
class FlatWriter {
 public:
  void number(uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) {
      bytes_.push_back(static_cast<uint8_t>(value >> shift));
    }
  }
  void bytes(ByteView value) {
    number(value.size());
    for (const std::byte b : value) bytes_.push_back(static_cast<uint8_t>(b));
  }
  const std::vector<uint8_t>& written() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

class FlatReader {
 public:
  FlatReader(const uint8_t* bytes, size_t length)
      : rest_(reinterpret_cast<const std::byte*>(bytes), length) {}

  bool done() const { return rest_.empty(); }
  uint64_t number() {
    const ByteView from = take(8);
    uint64_t value = 0;
    for (size_t i = 8; i-- > 0;) value = value << 8 | static_cast<uint64_t>(from[i]);
    return value;
  }
  std::vector<std::byte> bytes() {
    const ByteView from = take(number());
    return {from.begin(), from.end()};
  }

 private:
  ByteView take(size_t length) {
    CHECK(length <= rest_.size(), "both sides of the engine's interface agree");
    const ByteView head = rest_.first(length);
    rest_ = rest_.subspan(length);
    return head;
  }
  ByteView rest_;
};

}  // namespace sluice::broker
