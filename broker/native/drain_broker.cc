#include <algorithm>

#include "broker/native/cluster.h"
#include "broker/service/describe_cluster.h"

namespace sluice::broker {

io::Task<Result<>> answer_drain_broker(NativeCall& call) {
  CO_ASSIGN_OR_RETURN(ControllerPort* const controller, controller_of(call));
  const NodeId node{call.request.drain_broker().node_id()};
  const bool undo = call.request.drain_broker().undo();
  CO_RETURN_IF_ERROR(co_await on_control(
      call, [controller, node, undo] { return controller->drain(node, undo); }));
  const auto& metadata = call.connection.services().metadata;
  const auto known = metadata.describe(call.connection.principal(), {}, false);
  const auto cluster = describe_cluster(*known.image, metadata.defaults());
  const auto left =
      std::ranges::find(cluster.brokers, node, [](const auto& broker) { return broker.image.id; });
  call.response.mutable_drain_broker()->set_left(left == cluster.brokers.end() ? 0
                                                                               : left->replicas);
  co_return Result<>{};
}

}  // namespace sluice::broker
