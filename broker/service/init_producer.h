#pragma once

#include "base/result.h"
#include "base/strong.h"
#include "broker/security/principal.h"
#include "io/task.h"

namespace sluice::broker {

class ProducerIds;

struct ProducerIdentity {
  ProducerId id = kNoProducerId;
  ProducerEpoch epoch{0};
};

/// Hands out producer ids for idempotence: never the same one twice in the life of a cluster.
class InitProducer {
 public:
  explicit InitProducer(ProducerIds& ids) : ids_(ids) {}

  /// Errors: those of committing a block of ids to the metadata log.
  io::Task<Result<ProducerIdentity>> init(const Principal& principal);

 private:
  ProducerIds& ids_;
};

}  // namespace sluice::broker
