#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "broker/server/exchange.h"
#include "io/task.h"
#include "proto/native/protocol.pb.h"

namespace sluice::broker {

class NativeConnection;

/// A decoded request and the answer being made. Lives until its handler is done.
struct NativeCall {
  NativeConnection& connection;
  Exchange& exchange;
  const native::RequestHeader& request;
  native::ResponseHeader& response;
  /// Of raft and propose; there until the handler is done.
  ByteView payload;
};

// The handlers, one file each. An error answers the request as a whole; the connection goes on,
// unless the handler set `response.close_after`.
io::Task<Result<>> answer_hello(NativeCall& call);
io::Task<Result<>> answer_metadata(NativeCall& call);
io::Task<Result<>> answer_create_topic(NativeCall& call);
io::Task<Result<>> answer_delete_topic(NativeCall& call);
io::Task<Result<>> answer_describe_topic(NativeCall& call);
io::Task<Result<>> answer_alter_topic(NativeCall& call);
io::Task<Result<>> answer_add_partitions(NativeCall& call);
io::Task<Result<>> answer_fetch(NativeCall& call);
io::Task<Result<>> answer_list_offsets(NativeCall& call);
io::Task<Result<>> answer_delete_records(NativeCall& call);
io::Task<Result<>> answer_init_producer(NativeCall& call);
io::Task<Result<>> answer_describe_cluster(NativeCall& call);
io::Task<Result<>> answer_move_partition(NativeCall& call);
io::Task<Result<>> answer_drain_broker(NativeCall& call);
io::Task<Result<>> answer_leave_cluster(NativeCall& call);
io::Task<Result<>> answer_discover(NativeCall& call);
io::Task<Result<>> answer_join_cluster(NativeCall& call);
io::Task<Result<>> answer_raft(NativeCall& call);
io::Task<Result<>> answer_propose(NativeCall& call);
io::Task<Result<>> answer_heartbeat(NativeCall& call);
io::Task<Result<>> answer_alter_in_sync(NativeCall& call);
io::Task<Result<>> answer_report_damage(NativeCall& call);

/// The hot path: decoded and encoded by hand, both parts of the frame in place.
io::Task<void> answer_produce(NativeConnection& connection, Exchange& exchange, ByteView header,
                              MutableBytes payload);

}  // namespace sluice::broker
