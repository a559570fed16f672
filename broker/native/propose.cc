#include "base/crc32c.h"
#include "broker/native/cluster.h"

namespace sluice::broker {

io::Task<Result<>> answer_propose(NativeCall& call) {
  CO_RETURN_IF_ERROR(check_member(call));
  CO_ASSIGN_OR_RETURN(ConsensusPort* const consensus, consensus_of(call));
  // What gets into the log is there for ever.
  if (crc32c(call.payload) != call.request.propose().crc()) {
    ClusterPorts& cluster = *call.connection.front_end().cluster();
    cluster.corrupt_messages.add(call.connection.worker().index());
    co_return fail(Errc::connection_failed, "the command arrived damaged; send it again");
  }
  CO_ASSIGN_OR_RETURN(const uint64_t index, co_await on_control(call, [&call, consensus] {
                        return consensus->propose_here({call.payload.begin(), call.payload.end()});
                      }));
  call.response.mutable_propose()->set_index(index);
  co_return Result<>{};
}

}  // namespace sluice::broker
