#include <string>

#include "base/crc32c.h"
#include "broker/metadata/log.h"
#include "broker/metadata/raft_core.h"
#include "broker/native/cluster.h"

namespace sluice::broker {
namespace {

/// A command, or several small ones, and what is said about them.
constexpr size_t kMostBytes = kMostCommandBytes + 2_MiB;

/// Who speaks must be who said hello: a member of this cluster.
Result<> check_sender(const NativeCall& call) {
  const auto& raft = call.request.raft();
  RETURN_IF_ERROR(check_member(call));
  RETURN_IF_ERROR(check_cluster_id(call, raft.cluster_id()));
  const NodeId said = call.connection.said_broker()->id;
  if (raft.from() == said.value()) return {};
  return fail(Errc::invalid_request, "a message of broker " + std::to_string(raft.from()) +
                                         " came over a connection of broker " +
                                         std::to_string(said.value()));
}

}  // namespace

io::Task<Result<>> answer_raft(NativeCall& call) {
  const auto& raft = call.request.raft();
  CO_ASSIGN_OR_RETURN(ConsensusPort* const consensus, consensus_of(call));
  CO_RETURN_IF_ERROR(check_sender(call));
  CO_RETURN_IF_ERROR(check_history(call));
  ClusterPorts& cluster = *call.connection.front_end().cluster();
  const NodeId self = cluster.membership.self().node_id;
  if (raft.to() != self.value()) {
    co_return fail(Errc::invalid_request, "a message for broker " + std::to_string(raft.to()) +
                                              " came to broker " + std::to_string(self.value()) +
                                              "; check the advertised addresses");
  }
  if (call.payload.size() > kMostBytes && !RaftCore::carries_snapshot(call.payload)) {
    co_return fail(Errc::frame_too_large,
                   "a message of the consensus of " + std::to_string(call.payload.size()) +
                       " bytes; only a snapshot may have more than " + std::to_string(kMostBytes));
  }
  call.response.mutable_raft();
  // The consensus bears a lost message, and none that was changed.
  if (crc32c(call.payload) != raft.crc()) {
    cluster.corrupt_messages.add(call.connection.worker().index());
    co_return Result<>{};
  }
  co_return co_await on_control(call, [&]() -> io::Task<Result<>> {
    consensus->receive(NodeId{raft.from()}, call.payload);
    return io::Task<Result<>>::ready(Result<>{});
  });
}

}  // namespace sluice::broker
