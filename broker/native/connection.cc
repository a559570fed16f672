#include "broker/native/connection.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include <google/protobuf/arena.h>
#include <google/protobuf/io/coded_stream.h>

#include "broker/native/api.h"
#include "broker/native/wire.h"
#include "proto/native/produce_codec.h"

namespace sluice::broker {
namespace {

/// Before the hello nobody needs more.
constexpr size_t kMaxHelloFrame = 4096;

/// What brokers ask each other is small, except what the consensus carries.
constexpr size_t kMaxPeerFrame = 4_MiB;
/// Of a header: the correlation id, and the tag of the request behind it.
constexpr size_t kMostBeforeRequest = 16;

/// Whether a header begins as one of raft or propose does, whose bytes are the payload's.
bool is_consensus(ByteView header) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(header.data()),
                                            static_cast<int>(header.size()));
  uint32_t tag = in.ReadTag();
  uint64_t correlation_id = 0;
  if (tag == native::RequestHeader::kCorrelationIdFieldNumber << 3) {
    if (!in.ReadVarint64(&correlation_id)) return false;
    tag = in.ReadTag();
  }
  const uint32_t request = tag >> 3;
  return request == native::RequestHeader::kRaft || request == native::RequestHeader::kPropose;
}

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
  const size_t size = prefix.frame_size();
  if (!is_peer()) return FrameHead{.size = size, .traffic = TrafficClass::client};
  if (size > kMaxPeerFrame) {
    const ByteView header = begin.subspan(native::kPrefixSize);
    if (header.size() < std::min<size_t>(prefix.header_size, kMostBeforeRequest)) {
      return FrameHead{};
    }
    if (!is_consensus(header)) {
      return fail(Errc::frame_too_large,
                  "a frame of " + std::to_string(size) + " bytes of a broker; only raft and " +
                      "propose may have more than " + std::to_string(kMaxPeerFrame));
    }
  }
  return FrameHead{.size = size, .traffic = TrafficClass::control};
}

io::Task<void> NativeConnection::handle(Exchange& exchange) {
  const size_t header_size = load_be<uint32_t>(exchange.frame.data() + 4);
  const ByteView header = exchange.frame.subspan(native::kPrefixSize, header_size);
  const MutableBytes payload = exchange.frame.subspan(native::kPrefixSize + header_size);
  if (agreed_ && front_end_.serves() && native::is_produce(header)) {
    return answer_produce(*this, exchange, header, payload);
  }
  return answer_any(exchange, header, payload);
}

io::Task<void> NativeConnection::answer_any(Exchange& exchange, ByteView header,
                                            MutableBytes payload) {
  google::protobuf::Arena arena(arena_in(exchange));
  auto& request = *google::protobuf::Arena::CreateMessage<native::RequestHeader>(&arena);
  auto& response = *google::protobuf::Arena::CreateMessage<native::ResponseHeader>(&arena);
  exchange.api = kOtherApi;
  auto decoded = decode_request(header, request);
  if (decoded) {
    exchange.api = api_index(request.request_case());
    decoded = check(request, payload);
  }
  if (!decoded && agreed_ && decoded.error() == Errc::unsupported) {
    answer_error(exchange, request.correlation_id(), decoded.error());
    co_return;
  }
  if (!decoded) {
    reject(exchange, request.correlation_id(), decoded.error());
    co_return;
  }
  response.set_correlation_id(request.correlation_id());
  NativeCall call{*this, exchange, request, response, payload};
  co_await dispatch(call);
}

namespace {

using Request = native::RequestHeader;

/// What forms a cluster and agrees on its metadata: answered before anything else can be.
bool is_served_early(Request::RequestCase request) {
  return request == Request::kHello || request >= Request::kDiscover;
}

bool is_urgent(Request::RequestCase request) {
  return request == Request::kRaft || request == Request::kHeartbeat;
}

bool may_have_payload(Request::RequestCase request) {
  return request == Request::kRaft || request == Request::kPropose;
}

}  // namespace

Result<> NativeConnection::check(const native::RequestHeader& request, ByteView payload) const {
  if (!agreed_ && !request.has_hello()) {
    return fail(Errc::invalid_request, "the first request of a connection is hello");
  }
  if (agreed_ && request.has_hello()) {
    return fail(Errc::invalid_request, "hello is said once on a connection");
  }
  if (agreed_ && worker_.is_urgent() && !is_urgent(request.request_case())) {
    return fail(Errc::invalid_request,
                "an urgent connection is for raft and heartbeat; use another one for the rest");
  }
  if (!front_end_.serves() && !is_served_early(request.request_case())) {
    return fail(Errc::recovering,
                "this broker does not serve clients yet, /ready on its admin port says why; try "
                "again, or ask another one");
  }
  if (request.has_produce()) {
    return fail(Errc::malformed_frame, "the header holds more than one request");
  }
  if (!payload.empty() && !may_have_payload(request.request_case())) {
    return fail(Errc::malformed_frame,
                "only produce, raft and propose requests have bytes behind their header");
  }
  return {};
}

namespace {

io::Task<Result<>> answer(NativeCall& call) {
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
    case Request::kFetch:
      return answer_fetch(call);
    case Request::kListOffsets:
      return answer_list_offsets(call);
    case Request::kDeleteRecords:
      return answer_delete_records(call);
    case Request::kInitProducer:
      return answer_init_producer(call);
    case Request::kDescribeCluster:
      return answer_describe_cluster(call);
    case Request::kMovePartition:
      return answer_move_partition(call);
    case Request::kDrainBroker:
      return answer_drain_broker(call);
    case Request::kLeaveCluster:
      return answer_leave_cluster(call);
    case Request::kDiscover:
      return answer_discover(call);
    case Request::kJoinCluster:
      return answer_join_cluster(call);
    case Request::kRaft:
      return answer_raft(call);
    case Request::kPropose:
      return answer_propose(call);
    case Request::kHeartbeat:
      return answer_heartbeat(call);
    case Request::kAlterInSync:
      return answer_alter_in_sync(call);
    case Request::kReportDamage:
      return answer_report_damage(call);
    case Request::kProduce:
    case Request::REQUEST_NOT_SET:
      break;
    default:
      return io::Task<Result<>>::ready(
          fail(Errc::unsupported, "this broker does not answer such requests"));
  }
  CHECK(false, "other headers were refused");
  std::abort();
}

/// Whether requests behind it may begin only when it is answered: a session takes one fetch at a
/// time, the hello decides about all others, and the consensus wants its messages as they were
/// sent.
bool keeps_order(Request::RequestCase request) {
  return request == Request::kFetch || request == Request::kHello || request == Request::kRaft;
}

/// What operators need most when the broker is hard pressed, and what brokers ask each other.
bool is_never_delayed(Request::RequestCase request) { return request >= Request::kDescribeCluster; }

}  // namespace

io::Task<void> NativeConnection::dispatch(NativeCall& call) {
  Exchange& exchange = call.exchange;
  if (call.payload.empty() && exchange.frame.size() <= kForgottenBytes) exchange.release_frame();
  const bool is_hello = call.request.request_case() == Request::kHello;
  if (!is_hello) delay(call);
  if (!keeps_order(call.request.request_case())) exchange.release_order();
  if (auto result = co_await answer(call); !result) {
    exchange.response.slices.clear();
    call.response.clear_response();
    put_error(*call.response.mutable_error(), result.error());
  }
  // Only now it is known whether a broker says it, whose next request is a heartbeat.
  if (is_hello) delay(call);
  call.response.set_throttle_ms(throttle_ms(exchange));
  size_t payload = 0;
  for (const auto& slice : exchange.response.slices) payload += slice.length;
  auto encoded =
      encode_response(call.response, payload, exchange.response, worker_.buffers(exchange.traffic));
  if (encoded) co_return;
  if (encoded.error() == Errc::frame_too_large) {
    answer_error(exchange, call.request.correlation_id(), encoded.error());
  } else {
    reject(exchange, call.request.correlation_id(), encoded.error());
  }
}

void NativeConnection::delay(NativeCall& call) const {
  if (is_peer() || is_never_delayed(call.request.request_case())) return;
  const Duration delay = worker_.pressure().request_delay;
  if (delay == Duration{0}) return;
  call.exchange.delay = delay;
  worker_.count_delayed(false);
}

void NativeConnection::answer_error(Exchange& exchange, uint64_t correlation_id, const Error& why) {
  native::ResponseHeader response;
  response.set_correlation_id(correlation_id);
  response.set_throttle_ms(throttle_ms(exchange));
  put_error(*response.mutable_error(), why);
  exchange.response.slices.clear();
  // Without room even for this, the connection closes without an answer.
  if (!encode_response(response, 0, exchange.response, worker_.buffers(exchange.traffic))) {
    exchange.response.close_after = true;
  }
}

void NativeConnection::reject(Exchange& exchange, uint64_t correlation_id, const Error& why) {
  answer_error(exchange, correlation_id, why);
  exchange.response.close_after = true;
}

void NativeConnection::refuse(Exchange& exchange, const Error& why) {
  exchange.api = kOtherApi;
  reject(exchange, 0, why);
}

void NativeConnection::end() {
  ended_ = true;
  if (fetch_session_) fetch_session_->cancel();
}

FetchSession& NativeConnection::fetch_session() {
  if (!fetch_session_) {
    const SessionMemory& memory = front_end_.sessions();
    fetch_session_ = std::make_unique<FetchSession>(is_peer() ? memory.brokers : memory.clients);
    if (ended_) fetch_session_->cancel();
  }
  return *fetch_session_;
}

}  // namespace sluice::broker
