#include "base/crc32c.h"
#include "broker/native/cluster.h"

namespace sluice::broker {

io::Task<Result<>> answer_raft(NativeCall& call) {
  const auto& raft = call.request.raft();
  CO_ASSIGN_OR_RETURN(ConsensusPort* const consensus, consensus_of(call));
  CO_RETURN_IF_ERROR(check_cluster_id(call, raft.cluster_id()));
  CO_RETURN_IF_ERROR(check_history(call));
  ClusterPorts& cluster = *call.connection.front_end().cluster();
  const NodeId self = cluster.membership.self().node_id;
  if (raft.to() != self.value()) {
    co_return fail(Errc::invalid_request, "a message for broker " + std::to_string(raft.to()) +
                                              " came to broker " + std::to_string(self.value()) +
                                              "; check the advertised addresses");
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
