#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {

io::Task<Result<>> answer_create_topic(NativeCall& call) {
  const auto& request = call.request.create_topic();
  CreateTopic topic{.name = request.name(),
                    .partitions = request.partitions(),
                    .replication_factor = request.replication_factor(),
                    .configs = {},
                    .validate_only = request.validate_only()};
  for (const auto& config : request.configs()) {
    topic.configs.push_back({config.key(), config.value()});
  }
  auto& service = call.connection.services().topics;
  CO_ASSIGN_OR_RETURN(const auto created,
                      co_await service.create(call.connection.principal(), std::move(topic)));
  auto& answer = *call.response.mutable_create_topic();
  answer.set_id(std::string(encode_topic_id(created.id)));
  answer.set_partitions(created.partitions);
  answer.set_replication_factor(created.replication_factor);
  co_return Result<>{};
}

}  // namespace sluice::broker
