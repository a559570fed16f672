#include "broker/native/cluster.h"

namespace sluice::broker {

io::Task<Result<>> answer_propose(NativeCall& call) {
  CO_RETURN_IF_ERROR(check_member(call));
  CO_ASSIGN_OR_RETURN(ConsensusPort* const consensus, consensus_of(call));
  CO_ASSIGN_OR_RETURN(const uint64_t index, co_await on_control(call, [&call, consensus] {
                        return consensus->propose_here({call.payload.begin(), call.payload.end()});
                      }));
  call.response.mutable_propose()->set_index(index);
  co_return Result<>{};
}

}  // namespace sluice::broker
