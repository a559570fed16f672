#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {

io::Task<Result<>> answer_add_partitions(NativeCall& call) {
  const auto& request = call.request.add_partitions();
  AddPartitions change{.partitions = request.partitions(),
                       .validate_only = request.validate_only()};
  CO_ASSIGN_OR_RETURN(change.topic, decode_topic_ref(request.topic()));
  auto& service = call.connection.services().topics;
  CO_RETURN_IF_ERROR(
      co_await service.add_partitions(call.connection.principal(), std::move(change)));
  call.response.mutable_add_partitions();
  co_return Result<>{};
}

}  // namespace sluice::broker
