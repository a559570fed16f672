#include "broker/native/connection.h"

#include <google/protobuf/arena.h>

#include "broker/native/api.h"
#include "broker/native/wire.h"

namespace sluice::broker {
namespace {

/// Before the hello nobody needs more.
constexpr size_t kMaxHelloFrame = 4096;

google::protobuf::ArenaOptions arena_in(Exchange& exchange) {
  google::protobuf::ArenaOptions options;
  options.initial_block = exchange.scratch().data();
  options.initial_block_size = exchange.scratch().size();
  return options;
}

}  // namespace

NativeConnection::NativeConnection(const NativeFrontEnd& front_end, ProtocolPorts ports)
    : front_end_(front_end), worker_(ports.worker), peer_(ports.peer) {}

Result<FrameHead> NativeConnection::measure(ByteView begin) {
  if (begin.size() < native::kPrefixSize) return FrameHead{};
  const size_t most = agreed_ ? worker_.options().max_frame_bytes : kMaxHelloFrame;
  ASSIGN_OR_RETURN(const auto prefix, native::decode_prefix(begin, most));
  return FrameHead{.size = prefix.frame_size()};
}

io::Task<void> NativeConnection::handle(Exchange& exchange) {
  google::protobuf::Arena arena(arena_in(exchange));
  auto& request = *google::protobuf::Arena::CreateMessage<native::RequestHeader>(&arena);
  auto& response = *google::protobuf::Arena::CreateMessage<native::ResponseHeader>(&arena);
  const size_t header_size = load_be<uint32_t>(exchange.frame.data() + 4);
  const MutableBytes header = exchange.frame.subspan(native::kPrefixSize, header_size);
  if (auto decoded = decode_request(header, request); !decoded) {
    exchange.api = static_cast<uint8_t>(kNativeApis.size() - 1);
    reject(exchange, request.correlation_id(), decoded.error());
    co_return;
  }
  exchange.api = api_index(request.request_case());
  response.set_correlation_id(request.correlation_id());
  NativeCall call{*this, exchange, request, response,
                  exchange.frame.subspan(native::kPrefixSize + header_size)};
  if (auto allowed = check(call); !allowed) {
    reject(exchange, request.correlation_id(), allowed.error());
    co_return;
  }
  co_await dispatch(call);
}

Result<> NativeConnection::check(const NativeCall& call) const {
  const bool hello = call.request.has_hello();
  if (!agreed_ && !hello) {
    return fail(Errc::invalid_request, "the first request of a connection is hello");
  }
  if (agreed_ && hello) {
    return fail(Errc::invalid_request, "hello is said once on a connection");
  }
  if (!call.payload.empty() && !call.request.has_produce()) {
    return fail(Errc::malformed_frame, "only a produce request has bytes behind its header");
  }
  return {};
}

namespace {

io::Task<Result<>> answer(NativeCall& call) {
  using Request = native::RequestHeader;
  switch (call.request.request_case()) {
    case Request::kHello:
      return answer_hello(call);
    case Request::kMetadata:
      return answer_metadata(call);
    case Request::kCreateTopic:
      return answer_create_topic(call);
    case Request::kDeleteTopic:
      return answer_delete_topic(call);
    case Request::kDescribeTopic:
      return answer_describe_topic(call);
    case Request::kAlterTopic:
      return answer_alter_topic(call);
    case Request::kAddPartitions:
      return answer_add_partitions(call);
    case Request::kProduce:
      return answer_produce(call);
    case Request::kFetch:
      return answer_fetch(call);
    case Request::kListOffsets:
      return answer_list_offsets(call);
    case Request::kDeleteRecords:
      return answer_delete_records(call);
    case Request::kInitProducer:
      return answer_init_producer(call);
    case Request::REQUEST_NOT_SET:
      break;
  }
  CHECK(false, "a decoded header holds a request");
}

/// Whether requests behind it may begin while it runs: produces keep the order of their appends, a
/// session takes one fetch at a time, and the hello decides about all others.
bool keeps_order(native::RequestHeader::RequestCase request) {
  return request == native::RequestHeader::kProduce || request == native::RequestHeader::kFetch ||
         request == native::RequestHeader::kHello;
}

}  // namespace

io::Task<void> NativeConnection::dispatch(NativeCall& call) {
  Exchange& exchange = call.exchange;
  const auto kind = call.request.request_case();
  if (!keeps_order(kind)) {
    exchange.delay = worker_.pressure().request_delay;
    exchange.release_frame();
    exchange.release_order();
  }
  if (auto result = co_await answer(call); !result) {
    exchange.response.slices.clear();
    call.response.clear_response();
    put_error(*call.response.mutable_error(), result.error());
    const bool silent =
        kind == native::RequestHeader::kProduce && call.request.produce().acks() == 0;
    if (silent || result.error() == Errc::malformed_frame) exchange.response.close_after = true;
    if (silent) co_return;
  } else if (call.response.response_case() == native::ResponseHeader::RESPONSE_NOT_SET) {
    co_return;  // acks 0: nobody waits for an answer
  }
  if (exchange.delay > Duration{0}) {
    call.response.set_throttle_ms(static_cast<uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(exchange.delay).count()));
  }
  size_t payload = 0;
  for (const auto& slice : exchange.response.slices) payload += slice.length;
  auto encoded = encode_response(call.response, payload, exchange.response, worker_.buffers());
  if (!encoded) reject(exchange, call.request.correlation_id(), encoded.error());
}

void NativeConnection::reject(Exchange& exchange, uint64_t correlation_id, const Error& why) {
  native::ResponseHeader response;
  response.set_correlation_id(correlation_id);
  put_error(*response.mutable_error(), why);
  exchange.response.slices.clear();
  exchange.response.close_after = true;
  // Without room even for this, the connection closes without an answer.
  (void)encode_response(response, 0, exchange.response, worker_.buffers());
}

void NativeConnection::refuse(Exchange& exchange, const Error& why) {
  exchange.api = static_cast<uint8_t>(kNativeApis.size() - 1);
  reject(exchange, 0, why);
}

void NativeConnection::end() {
  ended_ = true;
  if (fetch_session_) fetch_session_->cancel();
}

FetchSession& NativeConnection::fetch_session() {
  if (!fetch_session_) {
    fetch_session_ = std::make_unique<FetchSession>(front_end_.sessions());
    if (ended_) fetch_session_->cancel();
  }
  return *fetch_session_;
}

}  // namespace sluice::broker
