#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {

io::Task<Result<>> answer_init_producer(NativeCall& call) {
  auto& service = call.connection.services().init_producer;
  CO_ASSIGN_OR_RETURN(const auto producer, co_await service.init(call.connection.principal()));
  auto& answer = *call.response.mutable_init_producer();
  answer.set_producer_id(producer.id.value());
  answer.set_producer_epoch(producer.epoch.value());
  co_return Result<>{};
}

}  // namespace sluice::broker
