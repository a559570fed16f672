#include "broker/native/cluster.h"
#include "broker/native/wire.h"

namespace sluice::broker {
namespace {

Result<std::vector<InSyncChange>> decode_changes(const native::AlterInSyncRequest& request) {
  std::vector<InSyncChange> changes;
  changes.reserve(static_cast<size_t>(request.partitions_size()));
  for (const auto& partition : request.partitions()) {
    InSyncChange& change = changes.emplace_back();
    ASSIGN_OR_RETURN(change.topic_id, decode_topic_id(partition.topic_id()));
    change.partition = PartitionId{partition.partition()};
    change.leader_epoch = LeaderEpoch{partition.leader_epoch()};
    change.partition_epoch = partition.partition_epoch();
    for (const int32_t node : partition.in_sync()) change.in_sync.emplace_back(node);
    change.broker_epochs.assign(partition.broker_epochs().begin(), partition.broker_epochs().end());
  }
  return changes;
}

}  // namespace

io::Task<Result<>> answer_alter_in_sync(NativeCall& call) {
  CO_RETURN_IF_ERROR(check_member(call));
  CO_ASSIGN_OR_RETURN(ControllerPort* const controller, controller_of(call));
  const auto& request = call.request.alter_in_sync();
  CO_ASSIGN_OR_RETURN(auto changes, decode_changes(request));
  const size_t asked = changes.size();
  const auto outcomes = co_await on_control(call, [&request, controller, &changes] {
    return controller->alter_in_sync(NodeId{request.node_id()}, request.broker_epoch(),
                                     std::move(changes));
  });
  CHECK(outcomes.size() == asked, "each change has an outcome");
  auto& answer = *call.response.mutable_alter_in_sync();
  for (const auto& outcome : outcomes) {
    auto& to = *answer.add_partitions();
    if (outcome) {
      to.set_partition_epoch(*outcome);
    } else {
      put_error(*to.mutable_error(), outcome.error());
    }
  }
  co_return Result<>{};
}

}  // namespace sluice::broker
