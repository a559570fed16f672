#include "broker/service/init_producer.h"

#include "broker/metadata/producer_ids.h"

namespace sluice::broker {

io::Task<Result<ProducerIdentity>> InitProducer::init(const Principal& /*principal*/) {
  CO_ASSIGN_OR_RETURN(const ProducerId id, co_await ids_.next());
  co_return ProducerIdentity{id, ProducerEpoch{0}};
}

}  // namespace sluice::broker
