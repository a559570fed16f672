#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {

io::Task<Result<>> answer_delete_records(NativeCall& call) {
  const auto& request = call.request.delete_records();
  std::vector<DeleteRecordsTarget> targets;
  for (const auto& partition : request.partitions()) {
    CO_ASSIGN_OR_RETURN(const auto topic, decode_topic_id(partition.topic_id()));
    targets.push_back(
        {.key = {topic, PartitionId{partition.partition()}}, .before = Offset{partition.before()}});
  }
  auto& service = call.connection.services().delete_records;
  const auto results = co_await service.remove(call.connection.principal(), targets);
  auto& answer = *call.response.mutable_delete_records();
  for (const auto& result : results) {
    auto& to = *answer.add_partitions();
    if (result.error) put_error(*to.mutable_error(), *result.error);
    to.set_log_start(result.log_start.value());
  }
  co_return Result<>{};
}

}  // namespace sluice::broker
