#include "broker/native/wire.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

namespace sluice::broker {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

/// What of a header is a request, known or not.
constexpr int kFirstRequest = 2;
constexpr int kLastRequest = 99;

const uint8_t* data_of(ByteView bytes) { return reinterpret_cast<const uint8_t*>(bytes.data()); }

/// The fields of the request inside of a header; every entry of a repeated field is one. Above any
/// limit when the bytes do not decode that far.
bool few_entries(ByteView header) {
  CodedInputStream in(data_of(header), static_cast<int>(header.size()));
  size_t entries = 0;
  while (const uint32_t tag = in.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    int size = 0;
    if (!in.ReadVarintSizeAsInt(&size)) return false;
    const auto limit = in.PushLimit(size);
    while (const uint32_t inner = in.ReadTag()) {
      if (++entries > kMaxEntries || !WireFormatLite::SkipField(&in, inner)) return false;
    }
    if (in.BytesUntilLimit() != 0) return false;
    in.PopLimit(limit);
  }
  return in.ConsumedEntireMessage();
}

/// Of a header without a request that we know: the number of one that we do not; 0 for none.
int unknown_request(ByteView header) {
  CodedInputStream in(data_of(header), static_cast<int>(header.size()));
  while (const uint32_t tag = in.ReadTag()) {
    const int number = WireFormatLite::GetTagFieldNumber(tag);
    const bool is_message =
        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    if (is_message && number >= kFirstRequest && number <= kLastRequest) return number;
    if (!WireFormatLite::SkipField(&in, tag)) break;
  }
  return 0;
}

}  // namespace

Result<> decode_request(ByteView header, native::RequestHeader& request) {
  // As many as there may be take two bytes each: most headers need no count.
  if (header.size() > 2 * kMaxEntries && !few_entries(header)) {
    return fail(Errc::malformed_frame, "the header is broken or has more than " +
                                           std::to_string(kMaxEntries) +
                                           " entries; split the request");
  }
  if (!request.ParseFromArray(header.data(), static_cast<int>(header.size()))) {
    return fail(Errc::malformed_frame, "the header is no RequestHeader");
  }
  if (request.request_case() == native::RequestHeader::REQUEST_NOT_SET) {
    if (const int number = unknown_request(header); number != 0) {
      return fail(Errc::unsupported, "this broker does not know request " + std::to_string(number) +
                                         ", it may be of a newer version; update this broker");
    }
    return fail(Errc::malformed_frame, "the header holds no request that this broker knows");
  }
  return {};
}

Result<> encode_response(const native::ResponseHeader& header, size_t payload_size,
                         Response& response, BufferPool& pool) {
  const size_t header_size = header.ByteSizeLong();
  if (header_size > native::kMaxAnswerHeaderBytes) {
    return fail(Errc::frame_too_large, "the answer would have " + std::to_string(header_size) +
                                           " bytes and may have " +
                                           std::to_string(native::kMaxAnswerHeaderBytes) +
                                           "; name fewer topics or partitions in one request");
  }
  ASSIGN_OR_RETURN(MutableBytes room, response.make_room(native::kPrefixSize + header_size, pool));
  native::encode_prefix({static_cast<uint32_t>(header_size), static_cast<uint32_t>(payload_size)},
                        room);
  header.SerializeWithCachedSizesToArray(
      reinterpret_cast<uint8_t*>(room.data() + native::kPrefixSize));
  return {};
}

uint32_t throttle_ms(const Exchange& exchange) {
  return static_cast<uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(exchange.delay).count());
}

void put_error(native::ErrorInfo& to, const Error& error) {
  to.set_code(static_cast<uint32_t>(error.code()));
  if (error.has_detail()) to.set_message(std::string(error.message()));
}

Result<Uuid> decode_topic_id(std::string_view bytes) {
  if (bytes.size() != Uuid::kSize) {
    return fail(Errc::invalid_argument, "a topic id has 16 bytes, not " +
                                            std::to_string(bytes.size()) +
                                            "; take it from a metadata answer");
  }
  return Uuid::from_bytes(as_bytes(bytes));
}

Result<TopicRef> decode_topic_ref(const native::TopicRef& ref) {
  if (ref.id().empty() && ref.name().empty()) {
    return fail(Errc::invalid_argument, "a topic is named by its id or its name; both are empty");
  }
  TopicRef topic{.name = ref.name()};
  if (!ref.id().empty()) {
    ASSIGN_OR_RETURN(topic.id, decode_topic_id(ref.id()));
  }
  return topic;
}

}  // namespace sluice::broker
