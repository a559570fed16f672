#include "client/producer/identity.h"

namespace sluice::client {

io::Task<Result<ProducerIdentity>> Identity::get() {
  const auto lock = co_await asking_.lock();
  if (identity_.id == kNoProducerId) {
    auto got = co_await fresh();
    if (!got) co_return got;
    identity_ = *got;
  }
  co_return identity_;
}

io::Task<Result<ProducerIdentity>> Identity::fresh() {
  native::RequestHeader request;
  request.mutable_init_producer();
  auto answer = co_await cluster_.ask(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  if (!answer->has_init_producer()) {
    co_return fail(Errc::malformed_frame, "the broker did not answer init producer");
  }
  const auto& said = answer->init_producer();
  co_return ProducerIdentity{ProducerId(said.producer_id()),
                             ProducerEpoch(static_cast<int16_t>(said.producer_epoch()))};
}

}  // namespace sluice::client
