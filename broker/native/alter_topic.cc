#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {

io::Task<Result<>> answer_alter_topic(NativeCall& call) {
  const auto& request = call.request.alter_topic();
  AlterTopic change{.validate_only = request.validate_only()};
  CO_ASSIGN_OR_RETURN(change.topic, decode_topic_ref(request.topic()));
  for (const auto& config : request.set()) change.set.push_back({config.key(), config.value()});
  change.remove.assign(request.remove().begin(), request.remove().end());
  auto& service = call.connection.services().topics;
  CO_RETURN_IF_ERROR(co_await service.alter(call.connection.principal(), std::move(change)));
  call.response.mutable_alter_topic();
  co_return Result<>{};
}

}  // namespace sluice::broker
