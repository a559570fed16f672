#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/varint.h"

namespace sluice::native {

/// Walks the fields of an encoded Protobuf message without decoding it, for messages on the hot
/// path: the generated classes cost several allocations a message. Protobuf encoding, "Message
/// structure".
class FieldReader {
 public:
  explicit FieldReader(ByteView message)
      : at_(message.data()), end_(message.data() + message.size()) {}

  /// Goes to the next field; false at the end of the message, or where it is broken.
  bool next();
  /// The whole message was walked and nothing was wrong with it.
  bool finished() const { return at_ == end_ && !broken_; }

  uint32_t number() const { return number_; }
  bool is_varint() const { return type_ == kVarint; }
  bool is_bytes() const { return type_ == kBytes; }
  /// Of a varint field; int32 and bool are cut as Protobuf cuts them.
  uint64_t varint() const { return varint_; }
  /// Of a field with a length.
  ByteView bytes() const { return bytes_; }

 private:
  static constexpr uint32_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

  bool skip(size_t size);

  const std::byte* at_;
  const std::byte* end_;
  uint32_t number_ = 0;
  uint32_t type_ = 0;
  uint64_t varint_ = 0;
  ByteView bytes_;
  bool broken_ = false;
};

inline bool FieldReader::skip(size_t size) {
  broken_ = static_cast<size_t>(end_ - at_) < size;
  if (broken_) return false;
  bytes_ = {at_, size};
  at_ += size;
  return true;
}

inline bool FieldReader::next() {
  if (at_ == end_ || broken_) return false;
  uint32_t tag = 0;
  at_ = get_varint(at_, end_, tag);
  broken_ = at_ == nullptr || (tag >> 3) == 0;
  if (broken_) return false;
  number_ = tag >> 3;
  type_ = tag & 7;
  uint64_t size = 0;
  switch (type_) {
    case kVarint:
      at_ = get_varint(at_, end_, varint_);
      broken_ = at_ == nullptr;
      return !broken_;
    case kFixed64:
      return skip(8);
    case kBytes:
      at_ = get_varint(at_, end_, size);
      broken_ = at_ == nullptr;
      return !broken_ && skip(size);
    case kFixed32:
      return skip(4);
    default:  // groups are gone from Protobuf since version 3
      broken_ = true;
      return false;
  }
}

}  // namespace sluice::native
