#include "broker/native/cluster.h"
#include "broker/native/wire.h"

namespace sluice::broker {

io::Task<Result<>> answer_move_partition(NativeCall& call) {
  CO_ASSIGN_OR_RETURN(ControllerPort* const controller, controller_of(call));
  const auto& request = call.request.move_partition();
  CO_ASSIGN_OR_RETURN(const auto ref, decode_topic_ref(request.topic()));
  const std::array refs = {ref};
  const auto& metadata = call.connection.services().metadata;
  const auto known = metadata.describe(call.connection.principal(), refs, false);
  if (known.topics.front().error) co_return fail(*known.topics.front().error);
  MovePartition move{.topic_id = known.topics.front().topic->id,
                     .partition = PartitionId{request.partition()},
                     .replicas = {},
                     .cancel = request.cancel()};
  for (const int32_t node : request.replicas()) move.replicas.emplace_back(node);
  if (move.cancel != move.replicas.empty()) {
    co_return fail(Errc::invalid_argument,
                   "a move names the replicas that the partition shall have, or cancels");
  }
  CO_RETURN_IF_ERROR(
      co_await on_control(call, [controller, &move] { return controller->move(std::move(move)); }));
  call.response.mutable_move_partition();
  co_return Result<>{};
}

}  // namespace sluice::broker
