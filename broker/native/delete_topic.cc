#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {

io::Task<Result<>> answer_delete_topic(NativeCall& call) {
  CO_ASSIGN_OR_RETURN(auto topic, decode_topic_ref(call.request.delete_topic().topic()));
  auto& service = call.connection.services().topics;
  CO_RETURN_IF_ERROR(co_await service.remove(call.connection.principal(), std::move(topic)));
  call.response.mutable_delete_topic();
  co_return Result<>{};
}

}  // namespace sluice::broker
