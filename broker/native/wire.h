#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "broker/replication/replica_set.h"
#include "broker/server/exchange.h"
#include "broker/server/response.h"
#include "broker/service/topic_ref.h"
#include "proto/native/framing.h"
#include "proto/native/protocol.pb.h"

namespace sluice::broker {

/// What a request may have of repeated entries, counted together.
inline constexpr size_t kMaxEntries = 10'000;

/// Decodes a frame's header. malformed_frame when it is no Protobuf, holds no request, or more than
/// kMaxEntries entries: counted before anything is allocated for them.
Result<> decode_request(ByteView header, native::RequestHeader& request);

/// Fills in the frame of an answer with `payload_size` bytes behind its header. out_of_memory;
/// frame_too_large when no client would take it.
Result<> encode_response(const native::ResponseHeader& header, size_t payload_size,
                         Response& response, BufferPool& pool);

/// A request of up to this size gives its frame back once it is decoded. What a larger one takes
/// on the heap is answered for by its frame's share of memory, until the request is.
inline constexpr size_t kForgottenBytes = 4_KiB;

/// For how long its connection is not read.
uint32_t throttle_ms(const Exchange& exchange);

void put_error(native::ErrorInfo& to, const Error& error);

/// invalid_argument unless it has the size of one.
Result<Uuid> decode_topic_id(std::string_view bytes);
/// invalid_argument when it names nothing.
Result<TopicRef> decode_topic_ref(const native::TopicRef& ref);

inline std::string_view encode_topic_id(const Uuid& id) { return as_text(id.bytes()); }

/// Appends node ids, and what a leader knows of its followers.
template <class Field>
void put_nodes(const std::vector<NodeId>& nodes, Field& to) {
  for (const NodeId node : nodes) to.Add(node.value());
}
template <class Field>
void put_followers(const std::vector<ReplicaSet::Progress>& followers, Field& to) {
  for (const auto& follower : followers) {
    auto& said = *to.Add();
    said.set_node_id(follower.node.value());
    said.set_log_end(follower.log_end.value());
    said.set_behind_ms(follower.behind / std::chrono::milliseconds(1));
  }
}

}  // namespace sluice::broker
