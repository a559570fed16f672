#include "broker/native/cluster.h"

namespace sluice::broker {

io::Task<Result<>> answer_leave_cluster(NativeCall& call) {
  CO_ASSIGN_OR_RETURN(ControllerPort* const controller, controller_of(call));
  const NodeId node{call.request.leave_cluster().node_id()};
  CO_RETURN_IF_ERROR(
      co_await on_control(call, [controller, node] { return controller->leave(node); }));
  call.response.mutable_leave_cluster();
  co_return Result<>{};
}

}  // namespace sluice::broker
